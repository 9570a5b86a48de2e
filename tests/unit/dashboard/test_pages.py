"""Every page renders what the API says, escaped, and under the policy."""

import httpx
import pytest

from dashboard import guards
from tests.unit.dashboard import kit, markup

EVIL = "<script>alert('x')</script>"
PAGES = (
    "/",
    "/models",
    "/?q=iris",
    "/deploy",
    "/deploy?model=iris",
    "/models/iris",
    "/models/iris/try",
    "/models/iris/try?kind=json",
    "/models/iris/jobs",
    "/models/iris/jobs?status=failed",
    "/models/iris/jobs?cursor=abc",
    "/models/iris/versions",
    "/models/iris/versions/1",
    "/models/iris/versions/2",
    "/models/iris/versions/3",
    "/models/iris/versions/4",
    "/models/iris/logs",
    "/models/iris/logs?version=1",
    "/models/iris/logs?version=4",
    "/models/iris/settings",
    "/jobs",
    "/jobs?model=iris&status=queued",
    "/jobs/j_1",
    "/jobs/j_2",
    "/jobs/j_3",
    "/models/iris/jobs/mine",
    "/keys",
    "/keys/key_1/revoke",
)


@pytest.fixture
def api(api: kit.Api) -> kit.Api:
    """A model with a version of every state, jobs of every kind, and words that want to be code."""
    failed = {"failed_step": "load", "error": f"{EVIL} No module named 'x'. Hint: add it to requirements.txt"}
    api.add(
        "iris",
        kit.version("iris", 1, state="ready"),
        kit.version("iris", 2, state="failed", **failed),
        kit.version("iris", 3, entry="main.py", verdict={"batching": "open", "why": EVIL, "advice": None}),
        kit.version("iris", 4, state="building", built_at=None),
    )
    api.jobs = {
        "j_1": kit.job("j_1", output={"text": EVIL, "scores": [0.1] * 40}, metadata={"from": EVIL}),
        "j_2": kit.job(
            "j_2", status="failed", output=None, error={"type": "predict_error", "message": EVIL}, timings=None
        ),
        "j_3": kit.job("j_3", status="queued", started_at=None, completed_at=None, timings=None, version=None),
        "mine": kit.job(
            "mine", output="aGk=", output_media_type="image/png", urls={"self": "/v1/models/iris/jobs/mine"}
        ),
    }
    api.keys[0]["name"] = EVIL
    api.environ = {"HF_TOKEN": "x"}
    api.log.insert(5, EVIL)
    return api


@pytest.mark.parametrize("page", PAGES)
async def test_page(visitor: httpx.AsyncClient, page: str) -> None:
    answer = await visitor.get(page)

    assert answer.status_code == 200, answer.text
    assert markup.faults(answer.text) == []
    assert answer.headers["content-security-policy"] == guards.POLICY
    assert EVIL not in answer.text
    assert "style=" not in answer.text
    assert "<script>" not in answer.text
    assert " onclick" not in answer.text


async def test_a_queued_job_shows_its_place(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.jobs["j_3"]["queue_position"] = 17

    assert "place 17 in the queue" in (await visitor.get("/jobs/j_3")).text
    assert "in the queue" not in (await visitor.get("/jobs/j_1")).text


async def test_an_empty_account_is_asked_for_three_files(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.versions.clear()

    text = (await visitor.get("/")).text

    assert markup.faults(text) == []
    assert "Drop three files. Get an API." in text
    assert 'enctype="multipart/form-data"' in text
