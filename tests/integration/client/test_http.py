import os
from pathlib import Path
from typing import Any

import pytest

from panini import client

KEY = "pn_test"


def test_predict_over_real_http(api: Any) -> None:
    with client.Client(api.url, KEY) as panini:
        assert panini.predict("slow", [1.0]) == "setosa"


async def test_predict_over_real_http_awaited(api: Any) -> None:
    async with client.AsyncClient(api.url, KEY) as panini:
        assert await panini.predict("slow", [1.0]) == "setosa"


def test_a_large_folder_is_streamed_in_flat_memory(api: Any, folder: Path, unpacked: Any) -> None:
    with (folder / "weights.pt").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    seen: list[int] = []

    with client.Client(api.url, KEY) as panini:
        version = panini.deploy(folder, "iris", on_progress=lambda sent, total: seen.append(100 * sent // total))

    assert version.state == "live"
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert unpacked(api.uploads[0]) == ["panini.toml", "predict.py", "sample.json", "weights.pt"]


def test_an_upload_refused_before_its_end_says_why(api: Any, folder: Path) -> None:
    (folder / "weights.pt").write_bytes(os.urandom(32 << 20))
    api.refuse_uploads = True

    with client.Client(api.url, KEY) as panini, pytest.raises(client.errors.Refused, match="over the limit"):
        panini.deploy(folder, "iris")


def test_a_log_cut_off_is_read_to_its_end(api: Any, folder: Path) -> None:
    api.cut_logs_after = 1
    log: list[str] = []

    with client.Client(api.url, KEY) as panini:
        panini.deploy(folder, "iris", on_line=lambda line: log.append(line.text))

    assert log == ["environment: made in 0.4 s", "loaded in 0.1 s", "checked"]


async def test_a_log_cut_off_is_read_to_its_end_awaited(api: Any, folder: Path) -> None:
    api.cut_logs_after = 2

    async with client.AsyncClient(api.url, KEY) as panini:
        log = [line.text async for line in panini.follow("iris", 1)]

    assert log == ["environment: made in 0.4 s", "loaded in 0.1 s", "checked"]


def test_many_jobs_from_many_threads(api: Any) -> None:
    with client.Client(api.url, KEY) as panini:
        jobs = panini.submit_many("iris", range(100), concurrency=8)

    assert len(jobs) == 100
    assert sorted(body["input"] for body in api.jobs) == list(range(100))


async def test_many_jobs_awaited(api: Any) -> None:
    async with client.AsyncClient(api.url, KEY) as panini:
        jobs = await panini.submit_many("iris", range(100), concurrency=8)

    assert len(jobs) == 100


def test_nobody_there_is_said_with_the_way_out(api: Any) -> None:
    nobody = client.Client("http://127.0.0.1:1", KEY, retries=0)

    with nobody as panini, pytest.raises(client.errors.Unreachable, match="`panini up` starts it"):
        panini.models()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    with client.Client(api.url, KEY) as panini:
        assert [model.model for model in panini.models()] == ["iris"]
