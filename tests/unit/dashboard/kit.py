"""A double of the public API in memory, and the dashboard's app on it."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import fastapi
import httpx

from dashboard import assets, backend, pages, routes, sessions, settings, site, snippets

SECRET = b"an internal secret of a test"
KEY = "pn_test"
ORIGIN = "http://panini"
NOW = "2026-01-01T12:00:00.000Z"
LOG = [
    "version 1 of iris: 3 files, 4,321 bytes",
    "entry predict.py, weights iris.joblib, input floats",
    "files: 3 files, 4,321 bytes in 0.1 s",
    "Resolved 3 packages in 12ms",
    "environment: ready in 3.2 s",
    "reading weights",
    "load: load(path) and predict(model, inputs) loaded in 1.2 s",
    "check: the sample gave [1] in 0.1 s",
]

Answer = httpx.Response | None


def version(model: str, number: int, **changed: Any) -> dict[str, Any]:
    """A version as the API answers it."""
    options = {"input": "floats", "framework": "python", "weights": "iris.joblib", "batch": False, "max_batch": 64}
    return {
        "model": model,
        "version": number,
        "state": "live",
        "digest": "0" * 64,
        "topic": f"panini.default.{model}.jobs",
        "entry": "predict.py",
        "options": options | {"timeout": 60.0, "load_timeout": 300.0, "memory_mb": None},
        "files": [{"path": "predict.py", "sha256": "0" * 64, "size": 321}],
        "created_at": NOW,
        "built_at": "2026-01-01T12:00:05.000Z",
        "failed_step": None,
        "error": None,
        "unchanged": False,
        "urls": {"self": "", "log": "", "jobs": "", "predict": ""},
    } | changed


def job(job_id: str, model: str = "iris", **changed: Any) -> dict[str, Any]:
    """A job as the API answers it."""
    return {
        "id": job_id,
        "model": model,
        "version": 1,
        "status": "succeeded",
        "output": {"label": 7},
        "error": None,
        "attempt": 1,
        "cached": False,
        "created_at": NOW,
        "started_at": "2026-01-01T12:00:00.004Z",
        "completed_at": "2026-01-01T12:00:00.021Z",
        "timings": {"queued_ms": 4.0, "batch_ms": 6.0, "predict_ms": 11.0, "batch_size": 3},
        "metadata": None,
        "urls": {"self": f"/v1/jobs/{job_id}", "output": f"/v1/jobs/{job_id}/output"},
    } | changed


class Api:
    """Models, jobs and keys in memory; `calls` has what was asked, `refuse` what is answered instead."""

    def __init__(self) -> None:
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.deliveries: dict[str, list[dict[str, Any]]] = {}
        self.keys = [{"id": "key_1", "name": "first", "last_four": "test", "created_at": NOW}]
        self.log = list(LOG)
        self.environ: dict[str, str] = {}
        self.calls: list[httpx.Request] = []
        self.refuse: dict[str, httpx.Response] = {}
        self.away = False
        self.key = KEY
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", r"/v1/keys/current", self._current),
            ("GET", r"/v1/keys", lambda _: _json({"keys": self.keys})),
            ("POST", r"/v1/keys", self._create_key),
            ("DELETE", r"/v1/keys/([^/]+)", self._revoke_key),
            ("GET", r"/v1/models", lambda _: _json({"models": [self.model(name) for name in sorted(self.versions)]})),
            ("GET", r"/v1/models/([^/]+)", self._model),
            ("DELETE", r"/v1/models/([^/]+)", self._remove),
            ("GET", r"/v1/models/([^/]+)/versions", self._versions),
            ("POST", r"/v1/models/([^/]+)/versions", self._deploy),
            ("GET", r"/v1/models/([^/]+)/versions/(\d+)/log", self._log),
            ("POST", r"/v1/models/([^/]+)/rollback", self._rollback),
            ("GET", r"/v1/models/([^/]+)/environ", lambda _, name: _json({"names": sorted(self.environ)})),
            ("PATCH", r"/v1/models/([^/]+)/environ", self._environ),
            ("GET", r"/v1/models/([^/]+)/jobs", self._jobs),
            ("POST", r"/v1/models/([^/]+)/jobs", self._submit),
            ("GET", r"/v1/jobs/([^/]+)", self._job),
            ("GET", r"/v1/models/[^/]+/jobs/([^/]+)", self._job),
            ("GET", r"/v1/models/[^/]+/jobs/([^/]+)/deliveries", self._deliveries),
            ("POST", r"/v1/models/[^/]+/jobs/([^/]+)/(redeliver|cancel)", lambda _, job_id, what: _json({}, 202)),
            ("GET", r"/v1/jobs/([^/]+)/output", lambda _, job_id: _json(self.jobs[job_id]["output"])),
        ]

    def _deliveries(self, _: httpx.Request, job_id: str) -> Answer:
        return _json({"deliveries": self.deliveries.get(job_id, [])})

    def transport(self) -> httpx.MockTransport:
        """For httpx."""
        return httpx.MockTransport(self._handle)

    def add(self, model: str, *versions: Mapping[str, Any]) -> None:
        """A model with these versions, the oldest first."""
        self.versions[model] = [dict(each) for each in versions]

    def model(self, name: str) -> dict[str, Any]:
        """A model as the API answers it."""
        versions = self.versions[name]
        live = next((each["version"] for each in versions if each["state"] == "live"), None)
        shown = next((each for each in versions if each["version"] == live), versions[-1])
        return {
            "model": name,
            "account": "default",
            "state": shown["state"],
            "live": live,
            "newest": versions[-1]["version"],
            "building": any(each["state"] == "building" for each in versions),
            "input": shown["options"]["input"],
            "framework": shown["options"]["framework"],
            "topic": f"panini.default.{name}.jobs",
            "created_at": NOW,
            "urls": {},
        }

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.calls.append(request)
        if self.away:
            raise httpx.ConnectError("refused")
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "API key needed", "unknown or revoked API key")
        for fragment, answer in self.refuse.items():
            if fragment in request.url.path:
                return answer
        for method, pattern, route in self._routes:
            found = re.fullmatch(pattern, request.url.path)
            if found and method == request.method:
                return route(request, *found.groups()) or problem(404, "Not found", "there is no such thing")
        return problem(405, "No such route", f"{request.method} {request.url.path}")

    def _current(self, _: httpx.Request) -> Answer:
        return _json({"id": "key_1", "account": "default", "last_four": "test"})

    def _create_key(self, request: httpx.Request) -> Answer:
        name = json.loads(request.content)["name"]
        made = {"id": "key_2", "name": name, "last_four": "cret", "created_at": NOW}
        self.keys.append(made)
        return _json(made | {"key": "pn_the_new_secret"}, 201)

    def _revoke_key(self, _: httpx.Request, key_id: str) -> Answer:
        self.keys = [each for each in self.keys if each["id"] != key_id]
        return httpx.Response(204)

    def _model(self, _: httpx.Request, name: str) -> Answer:
        return _json(self.model(name)) if name in self.versions else None

    def _remove(self, _: httpx.Request, name: str) -> Answer:
        del self.versions[name]
        return httpx.Response(204)

    def _versions(self, _: httpx.Request, name: str) -> Answer:
        found = self.versions.get(name)
        return _json({"model": name, "versions": found[::-1]}) if found else None

    def _deploy(self, _: httpx.Request, name: str) -> Answer:
        known = self.versions.setdefault(name, [])
        known.append(version(name, len(known) + 1, state="building", built_at=None))
        return _json(known[-1], 202)

    def _log(self, request: httpx.Request, name: str, number: str) -> Answer:
        if "follow" not in request.url.params:
            return httpx.Response(200, text="".join(f"{line}\n" for line in self.log))
        events = [f"id: {place}\nevent: line\ndata: {line}\n\n" for place, line in enumerate(self.log, 1)]
        state = json.dumps(self.versions[name][int(number) - 1])
        text = "".join([*events, ": still here\n\n", f"event: state\ndata: {state}\n\n"])
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})

    def _rollback(self, request: httpx.Request, name: str) -> Answer:
        wanted = json.loads(request.content)["version"]
        for each in self.versions[name]:
            if each["version"] == wanted:
                each["state"] = "live"
            elif each["state"] == "live":
                each["state"] = "ready"
        return _json(self.model(name))

    def _environ(self, request: httpx.Request, _: str) -> Answer:
        for name, value in json.loads(request.content).items():
            if value is None:
                self.environ.pop(name, None)
            else:
                self.environ[name] = value
        return _json({"names": sorted(self.environ)})

    def _jobs(self, request: httpx.Request, name: str) -> Answer:
        status = request.url.params.get("status")
        found = [each for each in self.jobs.values() if each["model"] == name and status in (None, each["status"])]
        return _json({"jobs": found, "next": "cursor-2" if len(found) > 1 else None})

    def _submit(self, request: httpx.Request, name: str) -> Answer:
        body = json.loads(request.content)
        made = job("j_new", name, output=body["input"])
        self.jobs["j_new"] = made
        return _json(made)

    def _job(self, _: httpx.Request, job_id: str) -> Answer:
        return _json(self.jobs[job_id]) if job_id in self.jobs else None


def problem(status: int, title: str, detail: str, **extra: Any) -> httpx.Response:
    """RFC 9457."""
    return httpx.Response(status, json={"title": title, "status": status, "detail": detail} | extra)


def app(api: Api, **changed: Any) -> fastapi.FastAPI:
    """The dashboard as an entry point composes it."""
    made = fastapi.FastAPI()
    config = settings.Settings.load(dashboard_refresh=0.1, **changed)
    client = backend.client("http://api", api.transport())
    made.state.dashboard = site.Site(
        client, SECRET, ORIGIN, config=config, kafka=snippets.Kafka(bootstrap="127.0.0.1:9092", sasl=True, local=True)
    )
    vars(made.state.dashboard)["pages"] = _pages()
    made.include_router(routes.router)
    return made


@functools.cache
def _pages() -> pages.Pages:
    """The templates, compiled once for all tests."""
    return pages.Pages(assets.Assets())


def session(name: str = KEY) -> sessions.Session:
    """A visitor who is signed in."""
    return sessions.Session(key=name, key_id="key_1", account="default", last_four="test")


def _json(value: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=value)
