"""The hot addresses: submitting a job, predicting, and reading a job. Which requests are answered at once, and how.

`take` looks at a request's head. Where the application's own logic (`accept`, `answers`) can be called with what the
head says, it returns the way to do that once the body is there; whatever is unusual (an unknown key or model, a query,
a body of unknown length) is left to the application. So there is one API: the same functions check and answer, at the
addresses that the application's own routes say, and what is left out here is only the framework's routing and
validation, which those functions do not need. Knows no server.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import ingest.routes
import results.routes
from ingest import accept
from results import answers, looking, waits
from wire import access, directory, metrics, problems, specs

ID: Final = re.compile(rb"[A-Za-z0-9_-]{34}")
LENGTH: Final = 34
_NAME: Final = re.compile(rb"[a-z0-9-]{1,40}")
_ANY: Final = "*"
"""Stands for them in a path."""


def _targets(path: str, named: re.Pattern[bytes]) -> re.Pattern[bytes]:
    """The targets of requests to a route, with what they name as a group."""
    before, behind = path.encode().split(_ANY.encode())
    return re.compile(re.escape(before) + b"(" + named.pattern + b")" + re.escape(behind))


_JOB: Final = results.routes.router.url_path_for("job", job_id=_ANY)
_READ: Final = _targets(_JOB, ID)
_SUBMIT: Final = _targets(ingest.routes.router.url_path_for("submit", model=_ANY), _NAME)
_PREDICT: Final = _targets(ingest.routes.router.url_path_for("predict", model=_ANY), _NAME)

JOB: Final = _JOB.removesuffix(_ANY).encode()
"""What stands before the id of a job."""

Headers = Mapping[bytes, bytes]
"""By name in small letters."""


class Response(Protocol):
    """What is sent back."""

    @property
    def status(self) -> int:
        """HTTP's."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """All but the body's length."""
        ...

    @property
    def body(self) -> bytes:
        """Perhaps nothing."""
        ...


Said = Response | looking.Later[Any]


class Way(Protocol):
    """What a head says: who asks what of whom. As good for a later request with the same head, while it `holds`."""

    length: int
    """Bytes of the body."""
    lasting: bool
    """Whether such a head is likely to come again: it names nothing that is of one request alone."""

    @property
    def holds(self) -> bool:
        """Whether nothing has changed since: a newer snapshot may know the key and the model no more."""
        ...

    def begin(self, said: bytes) -> "Said":
        """The answer, given the body (for a GET the id of the job), or what it waits for."""
        ...


class Read:
    """A GET of a job."""

    __slots__ = ("_found", "_generation", "_if_none_match", "_key", "_known", "lasting", "length")

    def __init__(
        self, found: answers.Results, known: directory.Directory, key: specs.Key, if_none_match: str | None
    ) -> None:
        self._generation = known.generation
        self.length = 0
        self.lasting = if_none_match is None
        self._found = found
        self._known = known
        self._key = key
        self._if_none_match = if_none_match

    @property
    def holds(self) -> bool:
        """See Way."""
        return self._generation == self._known.generation

    def begin(self, said: bytes) -> Said:
        """See Way."""
        return looking.look(self._found, self._known, self._key, said.decode("ascii"), self._if_none_match)


class Post:
    """A POST of a job."""

    __slots__ = ("_accepting", "_endpoint", "_generation", "_known", "_loop", "_wanted", "lasting", "length")

    def __init__(
        self,
        accepting: accept.Accepting,
        known: directory.Directory,
        endpoint: specs.Endpoint,
        wanted: accept.Wanted,
        length: int,
    ) -> None:
        self._generation = known.generation
        self._known = known
        self._loop = asyncio.get_running_loop()  # asked for each request it costs a system call
        self.length = length
        self.lasting = wanted.traceparent is None
        self._accepting = accepting
        self._endpoint = endpoint
        self._wanted = wanted

    @property
    def holds(self) -> bool:
        """See Way."""
        return self._generation == self._known.generation

    def begin(self, said: bytes) -> Said:
        """See Way."""
        return looking.Later(self._loop.create_task(self._answer(said)), asyncio.Future.result)

    async def _answer(self, said: bytes) -> Response:
        try:
            reply = await self._accepting(self._endpoint, said, self._wanted)
        except problems.Problem as problem:
            metrics.JOBS_REFUSED.labels(problem.status).inc()
            typed = problem.headers | {"Content-Type": problems.MEDIA_TYPE}
            return answers.Answer(problem.status, typed, problem.body())
        return answers.Answer(reply.status, reply.headers | {"Content-Type": reply.media_type}, reply.body)


class Hot:
    """The hot addresses of an application whose `state` has what they need."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def take(self, method: bytes, target: bytes, headers: Headers) -> Way | None:
        """The way of a request, if it is ours to answer. `target`: as on the request line; nothing is read or sent."""
        if b"transfer-encoding" in headers:
            return None
        if method == b"GET":
            if _READ.fullmatch(target) and hasattr(self._state, "reads"):
                return self._read(headers)
        elif method == b"POST" and hasattr(self._state, "acceptor"):
            if submit := _SUBMIT.fullmatch(target):
                return self._post(submit[1], headers, predict=False)
            if predict := _PREDICT.fullmatch(target):
                return self._post(predict[1], headers, predict=True)
        return None

    def _read(self, headers: Headers) -> Way | None:
        key = self._key(headers)
        if key is None or b"prefer" in headers or b"content-length" in headers:
            return None
        tag = headers.get(b"if-none-match")
        return Read(self._state.reads, self._state.directory, key, tag.decode("latin-1") if tag is not None else None)

    def _post(self, model: bytes, headers: Headers, *, predict: bool) -> Way | None:
        key = self._key(headers)
        if key is None:
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
        wait = waits.preferred(prefer.decode("latin-1"), most=options.ingest_max_wait) if prefer is not None else None
        if predict and wait is None:
            wait = options.ingest_predict_wait
        wanted = accept.Wanted(
            wait=wait, traceparent=traceparent.decode("latin-1") if traceparent is not None else None, key=key.id
        )
        acceptor: accept.Acceptor = self._state.acceptor
        return Post(acceptor.predict if predict else acceptor.submit, known, endpoint, wanted, int(length))

    def _key(self, headers: Headers) -> specs.Key | None:
        authorization, named = headers.get(b"authorization"), headers.get(b"x-api-key")
        presented = access.presented_key(
            authorization.decode("latin-1") if authorization is not None else None,
            named.decode("latin-1") if named is not None else None,
        )
        known: directory.Directory = self._state.directory
        return known.key(presented) if presented else None
