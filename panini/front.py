"""The short way for the hot addresses: submitting a job, predicting, and reading a job.

An ASGI function in front of the application. It answers a request only where the application's own logic (`accept`,
`answers`) can be called at once with what the headers say; whatever is unusual (an unknown key or model, a query, a
body of unknown length) goes to the application untouched. So there is one API: the same functions check and answer,
and what is left out here is only the framework's routing and validation, which those functions do not need.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import ingest.routes
from ingest import accept
from results import answers
from wire import access, directory, problems, specs

_JOB: Final = "/v1/jobs/"
_MODEL: Final = "/v1/models/"
_SUBMIT: Final = "/jobs"
_PREDICT: Final = "/predict"
_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{34}")

_Headers = dict[bytes, bytes]


class Front:
    """Wraps an application whose `state` has what the hot addresses need."""

    def __init__(self, app: Any) -> None:
        self._app: ASGIApp = app
        self._state = app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["query_string"] or not await self._hot(scope, receive, send):
            await self._app(scope, receive, send)

    async def _hot(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer, if this is ours to answer; else nothing was read or sent."""
        path: str = scope["path"]
        if scope["method"] == "GET":
            if path.startswith(_JOB) and _ID.fullmatch(path, len(_JOB)) and hasattr(self._state, "results"):
                return await self._read(scope, path[len(_JOB) :], send)
        elif scope["method"] == "POST" and path.startswith(_MODEL) and hasattr(self._state, "acceptor"):
            if path.endswith(_SUBMIT):
                return await self._post(scope, path[len(_MODEL) : -len(_SUBMIT)], receive, send, predict=False)
            if path.endswith(_PREDICT):
                return await self._post(scope, path[len(_MODEL) : -len(_PREDICT)], receive, send, predict=True)
        return False

    async def _read(self, scope: Scope, job_id: str, send: Send) -> bool:
        headers = dict(scope["headers"])
        key = self._key(headers)
        if key is None or b"prefer" in headers:
            return False
        found: answers.Results = self._state.results
        if_none_match = headers.get(b"if-none-match")
        asked = answers.Asked(if_none_match=if_none_match.decode("latin-1") if if_none_match is not None else None)
        answer = await found.job(self._state.directory, key, job_id, asked)
        await _send(send, answer.status, answer.headers.items(), answer.body)
        return True

    async def _post(self, scope: Scope, model: str, receive: Receive, send: Send, *, predict: bool) -> bool:
        headers = dict(scope["headers"])
        key = self._key(headers)
        known: directory.Directory = self._state.directory
        endpoint = known.endpoint(key.account, model) if key is not None and _NAME.fullmatch(model) else None
        options = self._state.ingest_settings
        length = headers.get(b"content-length", b"")
        if (
            key is None
            or endpoint is None
            or endpoint.live is None
            or b"idempotency-key" in headers
            or not length.isdigit()
            or int(length) > options.ingest_max_body
        ):
            return False
        raw = await _body(receive)
        prefer = headers.get(b"prefer")
        wait = ingest.routes.preferred_wait(prefer.decode("latin-1"), options) if prefer is not None else None
        if predict and wait is None:
            wait = options.ingest_predict_wait
        traceparent = headers.get(b"traceparent")
        wanted = accept.Wanted(
            wait=wait, traceparent=traceparent.decode("latin-1") if traceparent is not None else None, key=key.id
        )
        acceptor: accept.Acceptor = self._state.acceptor
        try:
            reply = await (acceptor.predict if predict else acceptor.submit)(endpoint, raw, wanted)
        except problems.Problem as problem:
            typed = problem.headers | {"Content-Type": problems.MEDIA_TYPE}
            await _send(send, problem.status, typed.items(), problem.body())
        else:
            await _send(send, reply.status, (reply.headers | {"Content-Type": reply.media_type}).items(), reply.body)
        return True

    def _key(self, headers: _Headers) -> specs.Key | None:
        authorization, named = headers.get(b"authorization"), headers.get(b"x-api-key")
        presented = access.presented_key(
            authorization.decode("latin-1") if authorization is not None else None,
            named.decode("latin-1") if named is not None else None,
        )
        known: directory.Directory = self._state.directory
        return known.key(presented) if presented else None


async def _body(receive: Receive) -> bytes:
    """The whole body; its length was announced, and uvicorn holds a client to it."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _send(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    raw.append((b"content-length", b"%d" % len(body)))
    start: Message = {"type": "http.response.start", "status": status, "headers": raw}
    await send(start)
    await send({"type": "http.response.body", "body": body})
