"""What forms do: deploys with and without script, tries, rollbacks, keys, variables, removal; and what streams say."""

import json

import httpx
import pytest

from tests.unit.dashboard import kit

FILES = [("file", ("predict.py", b"def predict(inputs): ...")), ("file", ("model.pkl", b"\0" * 100_000))]


@pytest.fixture
def api(api: kit.Api) -> kit.Api:
    """A model with two versions, the second live."""
    api.add("iris", kit.version("iris", 1, state="ready"), kit.version("iris", 2))
    return api


async def test_deploy_without_script(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    answer = await visitor.post("/deploy", data={"name": "fresh", "input": "bytes", "timeout": ""}, files=FILES)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/models/fresh/versions/1"
    sent = next(call for call in api.calls if call.method == "POST")
    assert b'name="input"\r\n\r\nbytes' in sent.content
    assert b'filename="model.pkl"' in sent.content
    assert b'name="name"' not in sent.content
    assert b'name="timeout"' not in sent.content


@pytest.mark.parametrize(
    ("data", "files", "words"),
    [
        ({"name": ""}, FILES, "The model needs a name"),
        ({"name": "Bad Name"}, FILES, "Bad model name"),
        ({"name": "fresh"}, [], "No files"),
    ],
)
async def test_what_cannot_be_deployed(
    visitor: httpx.AsyncClient,
    api: kit.Api,
    data: dict[str, str],
    files: list[tuple[str, tuple[str, bytes]]],
    words: str,
) -> None:
    none = [("file", ("", b""))]  # what a browser sends where nothing was chosen
    answer = await visitor.post("/deploy", data=data, files=files or none)

    assert answer.status_code == 422
    assert words in answer.text
    assert all(call.method == "GET" for call in api.calls)


async def test_a_refused_bundle_fills_the_form_again(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.refuse["/fresh/versions"] = kit.problem(422, "Bad bundle", "no function predict", file="predict.py", line=3)

    answer = await visitor.post("/deploy", data={"name": "fresh", "input": "bytes"}, files=FILES)

    assert answer.status_code == 422
    assert "no function predict" in answer.text
    assert "predict.py line 3" in answer.text
    assert 'value="fresh"' in answer.text
    assert 'value="bytes" checked' in answer.text


async def test_an_upload_is_passed_on_as_it_is(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="predict.py"\r\n\r\nx\r\n--b--\r\n'

    answer = await visitor.post(
        "/models/iris/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert answer.status_code == 201
    assert answer.headers["location"] == "/models/iris/versions/3"
    sent = next(call for call in api.calls if call.method == "POST")
    assert sent.content == body
    assert sent.headers["content-type"] == "multipart/form-data; boundary=b"
    assert sent.headers["content-length"] == str(len(body))


async def test_a_refused_upload_is_a_partial(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.refuse["/iris/versions"] = kit.problem(413, "Bundle too large", "the bundle is <larger> than 2 GiB")

    answer = await visitor.post("/models/iris/upload", content=b"x", headers={"Content-Type": "multipart/form-data"})

    assert answer.status_code == 413
    assert "the bundle is &lt;larger&gt; than 2 GiB" in answer.text
    assert "<html" not in answer.text


async def test_try_it(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    answer = await visitor.post("/models/iris/try", data={"kind": "numbers", "text": "5.1, 3.5\n1.4", "version": "1"})

    assert answer.status_code == 200
    assert "5.1, 3.5, 1.4" in answer.text
    sent = next(call for call in api.calls if call.method == "POST")
    assert json.loads(sent.content) == {"input": [5.1, 3.5, 1.4], "version": 1, "cache": False}
    assert sent.headers["prefer"] == "wait=20"


async def test_try_it_with_a_file(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    options = kit.version("iris", 3)["options"] | {"input": "bytes"}
    api.add("iris", kit.version("iris", 3, options=options))

    await visitor.post("/models/iris/try", data={"kind": "file"}, files={"file": ("a.png", b"\x89PNG", "image/png")})

    sent = next(call for call in api.calls if call.method == "POST")
    assert json.loads(sent.content)["input"] == "iVBORw=="


async def test_what_cannot_be_tried(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    plain = await visitor.post("/models/iris/try", data={"kind": "numbers", "text": "1, x"})
    scripted = await visitor.post(
        "/models/iris/try", data={"kind": "json", "text": "[1,"}, headers={"HX-Request": "true"}
    )

    assert plain.status_code == 422
    assert "Number 2, &#39;x&#39;, is no number." in plain.text
    assert "1, x</textarea>" in plain.text
    assert "Line 1, character 4" in scripted.text
    assert "<html" not in scripted.text
    assert all(call.method == "GET" for call in api.calls)


async def test_a_refused_job_says_why(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.refuse["/iris/jobs"] = kit.problem(413, "Job too large", "the job is 9 bytes, iris takes 8")

    answer = await visitor.post("/models/iris/try", data={"kind": "json", "text": "[1]"})

    assert "the job is 9 bytes, iris takes 8" in answer.text


async def test_rollback_and_the_words_after_it(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    answer = await visitor.post("/models/iris/rollback", data={"version": "1"})

    assert answer.headers["location"] == "/models/iris/versions"
    assert "Version 1 of iris is live." in (await visitor.get("/models/iris/versions")).text
    assert "Version 1 of iris is live." not in (await visitor.get("/models/iris/versions")).text
    assert api.model("iris")["live"] == 1


async def test_a_key_is_shown_once(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/keys", data={"name": "pipeline"})

    assert "pn_the_new_secret" not in str(answer.headers) + answer.text
    assert "pn_the_new_secret" in (await visitor.get("/keys")).text
    assert "pn_the_new_secret" not in (await visitor.get("/keys")).text


async def test_revoking_the_sessions_own_key_signs_out(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/keys/key_1/revoke")

    assert answer.headers["location"] == "/login"


async def test_variables(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    await visitor.post("/models/iris/environ", data={"name": "TOKEN", "value": "hush"})
    assert api.environ == {"TOKEN": "hush"}

    await visitor.post("/models/iris/environ", data={"name": "TOKEN"})
    assert api.environ == {}


async def test_a_model_is_removed_by_its_name_only(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    await visitor.post("/models/iris/remove", data={"name": "irish"})
    assert "iris" in api.versions

    await visitor.post("/models/iris/remove", data={"name": "iris"})
    assert "iris" not in api.versions


async def test_a_build_is_told_step_by_step(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.versions["iris"].append(kit.version("iris", 3, state="building", built_at=None))

    text = (await visitor.get("/models/iris/versions/3/events?after=4")).text

    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert set(names) == {"step-environment", "step-load", "line-load", "step-check", "finished"}
    assert "id: 4\n" not in text
    assert names[-1] == "finished"


async def test_a_build_that_was_left_goes_on_where_it_was(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.versions["iris"].append(kit.version("iris", 3, state="building", built_at=None))

    text = (await visitor.get("/models/iris/versions/3/events?after=1", headers={"Last-Event-ID": "7"})).text

    assert "id: 7\n" not in text
    assert "id: 8\n" in text


async def test_an_ended_job_ends_its_stream(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.jobs["j_1"] = kit.job("j_1")

    text = (await visitor.get("/jobs/j_1/events")).text

    assert "event: ended\ndata: succeeded\n\n" in text


async def test_a_jobs_webhook_is_shown_with_its_tries_and_delivered_again(
    visitor: httpx.AsyncClient, api: kit.Api
) -> None:
    # Given a job whose webhook failed once, with words of a stranger in it
    api.jobs["j_1"] = kit.job("j_1")
    failed = {"number": 1, "at": kit.NOW, "duration_ms": 31, "status_code": 500, "error": "answered <b>500</b>"}
    api.deliveries["j_1"] = [
        {"url": "https://example.com/hook", "state": "pending", "next_at": kit.NOW, "tries": [failed]}
    ]
    # When its page is opened
    page = (await visitor.get("/jobs/j_1")).text
    # Then the try is there, escaped, and one button away from another
    assert "https://example.com/hook" in page
    assert "answered &lt;b&gt;500" in page
    answer = await visitor.post("/models/iris/jobs/j_1/redeliver")
    assert answer.status_code == 303
    assert str(api.calls[-1].url.path).endswith("/jobs/j_1/redeliver")


async def test_a_job_that_has_not_ended_can_be_canceled_from_its_page(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.jobs["j_1"] = kit.job("j_1", status="running", output=None, completed_at=None)
    assert "Cancel this job" in (await visitor.get("/jobs/j_1")).text
    await visitor.post("/models/iris/jobs/j_1/cancel")
    assert str(api.calls[-1].url.path).endswith("/jobs/j_1/cancel")


async def test_an_output_is_never_a_page(visitor: httpx.AsyncClient, api: kit.Api) -> None:
    api.jobs["j_1"] = kit.job("j_1")
    html = httpx.Response(200, text="<script>alert(1)</script>", headers={"content-type": "text/html"})
    api.refuse["/j_1/output"] = html

    answer = await visitor.get("/jobs/j_1/output")

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
