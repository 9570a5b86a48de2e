"""The hot addresses: submitting a job, predicting, and reading a job. Which requests are answered at once, and how.

`take` looks at a request's head. Where the application's own logic (`accept`, `answers`) can be called with what the
head says, it returns the work to do once the body is there; whatever is unusual (an unknown key or model, a query, a
body of unknown length) is left to the application. So there is one API: the same functions check and answer, and what
is left out here is only the framework's routing and validation, which those functions do not need. Knows no server.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import ingest.routes
from ingest import accept
from results import answers
from wire import access, directory, metrics, problems, specs

_JOB: Final = b"/v1/jobs/"
_MODEL: Final = b"/v1/models/"
_SUBMIT: Final = b"/jobs"
_PREDICT: Final = b"/predict"
_NAME: Final = re.compile(rb"[a-z0-9-]{1,40}")
_ID: Final = re.compile(rb"[A-Za-z0-9_-]{34}")

Headers = Mapping[bytes, bytes]
"""By name in small letters."""


class Response(NamedTuple):
    """What is sent back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Work = Callable[[bytes], Awaitable[Response]]
"""Answers, given the request's body."""


class Hot:
    """The hot addresses of an application whose `state` has what they need."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def take(self, method: bytes, target: bytes, headers: Headers) -> Work | None:
        """The work of a request, if it is ours to answer. `target`: as on the request line; nothing is read or sent."""
        if method == b"GET":
            if target.startswith(_JOB) and _ID.fullmatch(target, len(_JOB)) and hasattr(self._state, "results"):
                return self._read(target[len(_JOB) :], headers)
        elif method == b"POST" and target.startswith(_MODEL) and hasattr(self._state, "acceptor"):
            if target.endswith(_SUBMIT):
                return self._post(target[len(_MODEL) : -len(_SUBMIT)], headers, predict=False)
            if target.endswith(_PREDICT):
                return self._post(target[len(_MODEL) : -len(_PREDICT)], headers, predict=True)
        return None

    def _read(self, job_id: bytes, headers: Headers) -> Work | None:
        key = self._key(headers)
        if key is None or b"prefer" in headers or b"content-length" in headers:
            return None
        found: answers.Results = self._state.results
        if_none_match = headers.get(b"if-none-match")
        asked = answers.Asked(if_none_match=if_none_match.decode("latin-1") if if_none_match is not None else None)

        async def work(_: bytes) -> Response:
            answer = await found.job(self._state.directory, key, job_id.decode("ascii"), asked)
            return Response(answer.status, answer.headers, answer.body)

        return work

    def _post(self, model: bytes, headers: Headers, *, predict: bool) -> Work | None:
        key = self._key(headers)
        if key is None or not _NAME.fullmatch(model):
            return None
        known: directory.Directory = self._state.directory
        endpoint = known.endpoint(key.account, model.decode("ascii"))
        options = self._state.ingest_settings
        length = headers.get(b"content-length", b"")
        if (
            endpoint is None
            or endpoint.live is None
            or b"idempotency-key" in headers
            or not length.isdigit()
            or int(length) > options.ingest_max_body
        ):
            return None
        prefer, traceparent = headers.get(b"prefer"), headers.get(b"traceparent")
        wait = ingest.routes.preferred_wait(prefer.decode("latin-1"), options) if prefer is not None else None
        if predict and wait is None:
            wait = options.ingest_predict_wait
        wanted = accept.Wanted(
            wait=wait, traceparent=traceparent.decode("latin-1") if traceparent is not None else None, key=key.id
        )
        acceptor: accept.Acceptor = self._state.acceptor
        accepting = acceptor.predict if predict else acceptor.submit

        async def work(body: bytes) -> Response:
            try:
                reply = await accepting(endpoint, body, wanted)
            except problems.Problem as problem:
                metrics.JOBS_REFUSED.labels(problem.status).inc()
                typed = problem.headers | {"Content-Type": problems.MEDIA_TYPE}
                return Response(problem.status, typed, problem.body())
            return Response(reply.status, reply.headers | {"Content-Type": reply.media_type}, reply.body)

        return work

    def _key(self, headers: Headers) -> specs.Key | None:
        authorization, named = headers.get(b"authorization"), headers.get(b"x-api-key")
        presented = access.presented_key(
            authorization.decode("latin-1") if authorization is not None else None,
            named.decode("latin-1") if named is not None else None,
        )
        known: directory.Directory = self._state.directory
        return known.key(presented) if presented else None
