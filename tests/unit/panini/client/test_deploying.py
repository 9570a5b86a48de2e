import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from panini import client
from panini.client import bundle, deploying


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "predict.py").write_text("def predict(inputs):\n    return inputs\n")
    return tmp_path


def version(state: str, **more: Any) -> dict[str, Any]:
    return {"model": "iris", "version": 2, "state": state, "options": {"input": "floats"}, **more}


def events(*lines: str, state: dict[str, Any]) -> httpx.Response:
    text = "".join(f"event: line\nid: {n}\ndata: {line}\n\n" for n, line in enumerate(lines, 1))
    text += f"event: state\ndata: {json.dumps(state)}\n\n"
    return httpx.Response(200, content=text, headers={"content-type": "text/event-stream"})


def test_deploy_uploads_follows_and_returns_the_version(panini_client: client.Client, api: Any, folder: Path) -> None:
    built = version("live", topic="panini.default.iris.jobs")
    api.prepared = [
        httpx.Response(202, json=version("building")),
        events("made the environment", "loaded", state=built),
        httpx.Response(200, json=built),
    ]
    progress: list[tuple[int, int]] = []
    log: list[str] = []

    found = panini_client.deploy(
        folder,
        "iris",
        input="floats",
        sample=[1.0],
        on_progress=lambda *at: progress.append(at),
        on_line=lambda line: log.append(line.text),
    )

    assert (found.state, found.topic, found.input) == ("live", "panini.default.iris.jobs", "floats")
    assert log == ["made the environment", "loaded"]
    upload = api.seen[0]
    assert dict(upload.url.params) == {"input": "floats", "sample": "[1.0]"}
    assert upload.headers["content-type"] == "application/x-tar"
    assert upload.content == b"".join(bundle.plan(folder))
    assert int(upload.headers["content-length"]) == len(upload.content)
    assert "transfer-encoding" not in upload.headers
    assert progress[-1] == (len(upload.content), len(upload.content))


def test_a_failed_build_raises_with_its_step(panini_client: client.Client, api: Any, folder: Path) -> None:
    failed = version("failed", failed_step="load", error="FileNotFoundError: weights.pt")
    api.prepared = [
        httpx.Response(202, json=version("building")),
        events("Traceback", state=failed),
        httpx.Response(200, json=failed),
    ]

    with pytest.raises(client.errors.DeployFailed, match=r"failed at step 'load': FileNotFoundError: weights\.pt"):
        panini_client.deploy(folder, "iris")


def test_an_upload_that_changed_nothing_is_not_waited_for(panini_client: client.Client, api: Any, folder: Path) -> None:
    api.prepared = [httpx.Response(200, json=version("live", unchanged=True))]

    assert panini_client.deploy(folder, "iris").unchanged


def test_a_refused_upload_says_why(panini_client: client.Client, api: Any, folder: Path, problems: Any) -> None:
    api.prepared = [problems(422, "Not a bundle", "predict.py, line 3: mend it")]

    with pytest.raises(client.errors.Refused, match="line 3: mend it"):
        panini_client.deploy(folder, "iris")


def test_a_log_that_breaks_off_is_taken_up_where_it_was(panini_client: client.Client, api: Any, folder: Path) -> None:
    built = version("live")
    broken = httpx.Response(
        200, content="event: line\nid: 1\ndata: one\n\n", headers={"content-type": "text/event-stream"}
    )
    api.prepared = [broken, httpx.ReadError("gone"), events(state=built)]

    found = [line.text for line in panini_client.follow("iris", 2)]

    assert found == ["one"]
    assert [request.headers.get("last-event-id") for request in api.seen] == [None, "1", "1"]


async def test_the_async_client_deploys_too(panini_async: client.AsyncClient, api: Any, folder: Path) -> None:
    built = version("live")
    api.prepared = [
        httpx.Response(202, json=version("building")),
        events("loaded", state=built),
        httpx.Response(200, json=built),
    ]
    log: list[str] = []

    found = await panini_async.deploy(folder, "iris", on_line=lambda line: log.append(line.text))

    assert found.state == "live"
    assert log == ["loaded"]
    assert api.seen[0].content == b"".join(bundle.plan(folder))


def test_a_large_sample_goes_into_a_form(folder: Path) -> None:
    sample = b"\x89PNG" * 1000

    upload = deploying.upload(folder, "photo", {"input": "bytes", "sample": sample})

    body = b"".join(upload)
    assert upload.request.query == {}
    assert upload.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert int(upload.headers["Content-Length"]) == len(body)
    assert b'name="sample"\r\n\r\n"iVBO' in body
    assert b'filename="bundle.tar"' in body
