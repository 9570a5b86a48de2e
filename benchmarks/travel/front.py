"""A server for the first step: the real protocol and hot addresses, with nothing behind them.

`python -m benchmarks.travel.front PORT`. POSTs are answered as if their jobs had ended at once, GETs as if they had
ended before: what is left is reading a request, finding its key and model, and writing the answer.
"""

import asyncio
import functools
import sys
import types
from typing import Any, cast

import uvicorn
import uvloop

from benchmarks.travel import place
from ingest import accept
from ingest import settings as ingest_settings
from panini import front, heads, hot, memory
from results import answers, records, views
from wire import ids, specs


class Acceptor:
    """Says at once that the job ended."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def submit(self, _endpoint: specs.Endpoint, _raw: bytes, _wanted: accept.Wanted) -> accept.Reply:
        """See accept.Acceptor."""
        return accept.Reply(status=200, body=self._body, headers={"Preference-Applied": "wait=30"})


class Results:
    """Says of every job that it ended."""

    def __init__(self, body: bytes) -> None:
        self.store = self
        self._body = body
        self._endpoint = place.endpoint()
        self._parsed = ids.JobId(key_id=0, model_uid=place.UID, issued_ms=0, raw=b"")

    def here(self, _known: Any, _key: specs.Key, _job_id: str) -> tuple[ids.JobId, specs.Endpoint]:
        """See answers.Results."""
        return self._parsed, self._endpoint

    def peek(self, _account: str, _model: str, _job_id: str) -> "asyncio.Future[bytes | None]":
        """See protocol.Store."""
        done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def told(self, _endpoint: Any, job_id: str, *_: Any, **__: Any) -> answers.Answer:
        """See answers.Results."""
        headers = {"Content-Type": "application/json", "Cache-Control": "private", "ETag": f'"{job_id}"'}
        return answers.Answer(200, headers, self._body)


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("only hot addresses are asked here")


async def serve(port: int) -> None:
    """Serve on loopback until the process is ended."""
    body = views.job("j_" + "A" * 32, place.MODEL, records.decode(place.ended()), ours=True)
    state = types.SimpleNamespace(
        directory=await place.known(),
        acceptor=Acceptor(body),
        reads=Results(body),
        ingest_settings=ingest_settings.Settings.load(),
    )
    config = uvicorn.Config(
        _nothing,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=cast("Any", functools.partial(front.Front, addresses=hot.Hot(state), known=heads.Heads())),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    memory.settle()
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
