"""How each system is asked: the bytes of its requests, and how its replies are read."""

import dataclasses

from benchmarks import client

_ID = b'"id":"'
_DONE = (b'"status":"succeeded"', b'"status": "succeeded"')
_OPEN = (b'"status":"queued"', b'"status":"running"', b'"status": "queued"', b'"status": "running"')


class Unexpected(Exception):
    """A reply that no system should give here."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """One HTTP service that takes jobs or predicts at once."""

    host: str
    port: int
    submit: str = "/jobs"
    """Path of the POST that accepts a job (202, or 200 with its end)."""
    look: str = "/jobs/"
    """Path of the GET of a job, its id to be added."""
    headers: str = ""
    """More header lines, each ended by CRLF."""

    def post(self, text: str, *, wait: float | None = None) -> bytes:
        """A request that submits the input `text` (JSON); with `wait`, one that asks for the end within seconds."""
        prefer = f"Prefer: wait={wait:g}\r\n" if wait is not None else ""
        headers = f"{self.headers}{prefer}Content-Type: application/json\r\n"
        return client.request("POST", self.submit, self._host, headers, f'{{"input":{text}}}'.encode())

    def get(self, job_id: bytes) -> bytes:
        """A request that looks at a job."""
        return client.request("GET", self.look + job_id.decode("ascii"), self._host, self.headers)

    @property
    def _host(self) -> str:
        return f"{self.host}:{self.port}"


def accepted(reply: client.Reply | None) -> bytes:
    """The id that a 202 names. Raises Unexpected."""
    if reply is None or reply.status != 202:
        raise Unexpected(f"not accepted: {reply}")
    start = reply.body.find(_ID)
    if start < 0:
        raise Unexpected(f"no id in {reply.body[:300]!r}")
    start += len(_ID)
    return reply.body[start : reply.body.index(b'"', start)]


def ended(reply: client.Reply | None) -> bytes | None:
    """The body of a job that succeeded; None while it is open. Raises Unexpected."""
    if reply is None or reply.status not in (200, 202):
        raise Unexpected(f"not a job: {reply}")
    if any(mark in reply.body for mark in _DONE):
        return reply.body
    if any(mark in reply.body for mark in _OPEN):
        return None
    raise Unexpected(f"a job that did not succeed: {reply.body[:500]!r}")
