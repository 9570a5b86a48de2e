"""A Panini API over real HTTP: small, and right as far as the client and the command line look."""

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "pn_test"


@dataclasses.dataclass
class Api:
    """A running API and what it saw."""

    url: str = ""
    uploads: list[bytes] = dataclasses.field(default_factory=list)
    fields: list[dict[str, str]] = dataclasses.field(default_factory=list)
    jobs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    refuse_uploads: bool = False
    cut_logs_after: int | None = None  # lines, once

    def app(self) -> Starlette:
        """Its routes."""
        model = "/v1/models/{model}"
        return Starlette(
            routes=[
                Route("/v1/models", self.list_models),
                Route(model, self.show_model, methods=["GET", "DELETE"]),
                Route(f"{model}/versions", self.upload, methods=["POST"]),
                Route(f"{model}/versions", self.list_versions),
                Route(f"{model}/versions/{{version:int}}", self.show_version),
                Route(f"{model}/versions/{{version:int}}/log", self.log),
                Route(f"{model}/log", self.log),
                Route(f"{model}/rollback", self.rollback, methods=["POST"]),
                Route(f"{model}/predict", self.predict, methods=["POST"]),
                Route(f"{model}/jobs", self.submit, methods=["POST"]),
                Route(f"{model}/jobs/{{id}}", self.job),
                Route("/v1/jobs/{id}", self.job),
            ]
        )

    async def list_models(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "API key needed", "send Authorization: Bearer pn_…")
        return JSONResponse({"models": [self.model("iris")]})

    async def show_model(self, request: Request) -> Response:
        name = request.path_params["model"]
        if name == "nothing":
            return problem(404, "No such model", f"there is no model {name!r}; `panini models` lists yours")
        return Response(status_code=204) if request.method == "DELETE" else JSONResponse(self.model(name))

    async def upload(self, request: Request) -> Response:
        if self.refuse_uploads:
            return problem(413, "Too large", "the bundle is over the limit")
        body = b"".join([piece async for piece in request.stream()])
        assert int(request.headers["content-length"]) == len(body)
        self.uploads.append(body)
        self.fields.append(dict(request.query_params) | {"type": request.headers["content-type"].split(";")[0]})
        return JSONResponse(self.version(request.path_params["model"], "building"), 202)

    async def list_versions(self, request: Request) -> Response:
        return JSONResponse({"versions": [self.version(request.path_params["model"])]})

    async def show_version(self, request: Request) -> Response:
        return JSONResponse(self.version(request.path_params["model"]))

    async def log(self, request: Request) -> Response:
        model = request.path_params["model"]
        lines = ["environment: made in 0.4 s", "loaded in 0.1 s", "checked"]
        if model == "broken":
            lines = ["Traceback (most recent call last):", '  File "predict.py", line 2, in load', "KeyError: 'w'"]
        if "text/event-stream" not in request.headers.get("accept", ""):
            return PlainTextResponse("".join(f"{line}\n" for line in lines))
        after = int(request.headers.get("last-event-id", 0))
        cut, self.cut_logs_after = self.cut_logs_after, None

        async def events() -> AsyncIterator[str]:
            for number, line in enumerate(lines, 1):
                if cut is not None and number > cut:
                    return
                if number > after:
                    yield f"id: {number}\nevent: line\ndata: {line}\n\n"
            yield f"event: state\ndata: {json.dumps(self.version(model))}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def rollback(self, request: Request) -> Response:
        return JSONResponse(self.model(request.path_params["model"]) | await request.json())

    async def predict(self, request: Request) -> Response:
        return JSONResponse({"query_id": "j_1", "output": (await request.json())["input"], "default": False})

    async def submit(self, request: Request) -> Response:
        model = request.path_params["model"]
        if model == "away":
            return problem(503, "Kafka is away", "try again", headers={"Retry-After": "0"})
        self.jobs.append(await request.json())
        if model == "lost":
            await asyncio.sleep(0)
            return Response(status_code=202, content=b"")
        status = {"broken": "failed", "slow": "queued"}.get(model, "succeeded")
        return JSONResponse(self.document(model, status), 202)

    async def job(self, request: Request) -> Response:
        if request.path_params["id"] == "gone":
            return problem(410, "Gone", "its result was kept for 24 h")
        return JSONResponse(self.document("iris", "succeeded"))

    def document(self, model: str, status: str) -> dict[str, Any]:
        """A job."""
        error = {"type": "predict_error", "message": "KeyError: 'w'"} if status == "failed" else None
        output: Any = "setosa" if status == "succeeded" else None
        more = {}
        if model == "photo":
            output, more = "iVBORw==", {"output_media_type": "image/png"}
        return {"id": "j_1", "model": model, "version": 1, "status": status, "output": output, "error": error, **more}

    def version(self, model: str, state: str = "") -> dict[str, Any]:
        """A version as it is once built, unless another state is named."""
        failed = model == "broken" and not state
        return {
            "model": model,
            "version": 1,
            "state": state or ("failed" if failed else "live"),
            "digest": "d" * 64,
            "topic": f"panini.default.{model}.jobs",
            "options": {"input": "bytes" if model == "photo" else "floats"},
            "created_at": "2026-01-02T03:04:05Z",
            "failed_step": "load" if failed else None,
            "error": "KeyError: 'w'" if failed else None,
            "unchanged": False,
            "urls": {"self": f"{self.url}/v1/models/{model}/versions/1"},
        }

    def model(self, name: str) -> dict[str, Any]:
        """A model."""
        live = None if name == "broken" else 1
        kind = "bytes" if name == "photo" else "floats"
        return {"model": name, "live": live, "state": "live", "input": kind, "topic": f"panini.default.{name}.jobs"}


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem+json answer."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """The app on a free port of this machine, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    started = threading.Event()

    class Told(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Told(server.config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    with serving(made.app()) as url:
        made.url = url
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "predict.py").write_text("def predict(inputs):\n    return inputs\n")
    (made / "panini.toml").write_text('input = "floats"\n')
    (made / "sample.json").write_text("[5.1, 3.5, 1.4, 0.2]\n")
    return made


Cli = Callable[..., subprocess.CompletedProcess[str]]


def environment(api: Api | None, home: Path) -> dict[str, str]:
    """A clean environment for the program, with the API's address where there is one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PANINI_")}
    kept |= {"HOME": str(home)}
    return kept | ({"PANINI_URL": api.url, "PANINI_KEY": KEY} if api else {})


@pytest.fixture
def cli(api: Api, tmp_path: Path) -> Cli:
    """Runs `panini ARGUMENTS` with pipes; `url` names another server, `stdin` is bytes."""

    def run(*arguments: str, url: str | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environ = environment(api, tmp_path) | ({"PANINI_URL": url} if url else {})
        return subprocess.run(
            [sys.executable, "-c", "from panini.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            env=environ,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )

    return run


def tar_names(data: bytes) -> list[str]:
    """The files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


@pytest.fixture
def unpacked() -> Callable[[bytes], list[str]]:
    return tar_names


@pytest.fixture
def environ(api: Api, tmp_path: Path) -> dict[str, str]:
    return environment(api, tmp_path)
