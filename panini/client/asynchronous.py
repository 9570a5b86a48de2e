"""The client for asyncio: the same operations as `sync`, awaited."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from panini.client import address, calls, deploying, errors, events, exchange, http, logs, outcomes, records, sets
from wire import jobs

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AsyncJob(records.Job):
    """One job as it stood when the server was asked, and what can be done with it."""

    client: "AsyncClient" = dataclasses.field(repr=False, compare=False)

    async def result(self, timeout: float | None = None) -> Any:
        """The output, waiting for it up to `timeout` seconds (None: as long as it takes).

        Raises:
            JobFailed: it ended otherwise. TimedOut: not ended yet.
        """
        return outcomes.output(await self.wait(timeout))

    async def wait(self, timeout: float | None = None) -> "AsyncJob":
        """The job once it ended, however. Raises TimedOut after `timeout` seconds."""
        job = self if self.whole else await self.client._finished(self.id, self.model, timeout)  # noqa: SLF001 - its handle
        return outcomes.ended(job, timeout)

    async def refresh(self) -> "AsyncJob":
        """The job as it stands now."""
        return await self.client.job(self.id, model=self.model or None)

    async def cancel(self) -> "AsyncJob":
        """Cancel it; the job as it stands then."""
        return await self.client.cancel(self.id, model=self.model or None)


class AsyncClient:
    """A Panini API and one account's key. For one event loop; close it, or use it in an `async with`."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Args: url and key, else PANINI_URL and PANINI_KEY, else the local stack's; `timeout`: seconds of one HTTP
        request; `retries`: how often a request is sent again where that cannot do a thing twice.

        Raises:
            NotConfigured: no Panini was named and none was found.
        """
        self.address = address.settle(url, key)
        self._timeout = timeout
        self._options = calls.Options(retries=retries)
        self._http = httpx.AsyncClient(transport=transport, **http.settings(self.address, timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def submit(
        self,
        model: str,
        input: Any,  # noqa: A002 - the API's word
        *,
        wait: float = 0.0,
        **words: Unpack[calls.Words],
    ) -> AsyncJob:
        """Submit a job; return at once, or after at most `wait` seconds when it ended.

        `input` is any JSON value, bytes (sent as base64), numpy arrays or tensors; `calls.Words` has the rest.

        Raises:
            InvalidInput, Refused and its kinds, Unreachable.
        """
        return self._job(await self._run(calls.submit(self._options, model, input, words, wait)), model)

    async def submit_many(
        self, model: str, inputs: Iterable[Any], *, concurrency: int | None = None, **words: Unpack[calls.Words]
    ) -> list[AsyncJob]:
        """Submit many jobs; the jobs in the order of their inputs.

        They go as bulk sets, which is fast and never delays interactive jobs; with `concurrency` one by one instead,
        so many at a time, among the interactive ones.

        Raises:
            PartlySubmitted: some were not accepted; it holds those that were.
        """
        if concurrency is None:
            return outcomes.all_submitted(
                [
                    found if isinstance(found, errors.ClientError) else self._job(found, model)
                    for found in await self._run(sets.submit(self._options, model, inputs, words))
                ]
            )
        free = asyncio.Semaphore(max(1, concurrency))

        async def one(item: Any) -> AsyncJob:
            async with free:
                return await self.submit(model, item, **words)

        return outcomes.all_submitted(await asyncio.gather(*map(one, inputs), return_exceptions=True))

    async def predict(self, model: str, input: Any, timeout: float | None = 60.0) -> Any:  # noqa: A002 - the API's word
        """The output for one input, waiting up to `timeout` seconds.

        Raises:
            JobFailed: it ended otherwise. TimedOut: its `job` goes on. And what `submit` raises.
        """
        if timeout is None:
            return await (await self.submit(model, input, wait=calls.LONG_POLL)).result()
        return outcomes.output(outcomes.ended(await self.submit(model, input, wait=timeout), timeout))

    async def job(self, id: str, *, model: str | None = None, wait: float = 0.0) -> AsyncJob:  # noqa: A002 - the API's word
        """A job as it stands, or after at most `wait` seconds once it ended. An id of your own needs its `model`."""
        return self._job(await self._run(calls.job(self._options, id, model, wait)), model)

    async def jobs(self, model: str, status: jobs.Status | str | None = None) -> AsyncIterator[AsyncJob]:
        """A model's jobs, newest first, fetched as they are asked for."""
        cursor: str | None = None
        while True:
            page, cursor = await self._run(calls.jobs_page(self._options, model, status, cursor))
            for document in page:
                yield self._job(document, model)
            if not cursor:
                return

    async def cancel(self, id: str, *, model: str | None = None) -> AsyncJob:  # noqa: A002 - the API's word
        """Cancel a job; the job as it stands then. An id of your own needs its `model`."""
        return self._job(await self._run(calls.cancel(self._options, id, model)), model)

    def events(
        self,
        id: str,  # noqa: A002 - the API's word
        *,
        model: str | None = None,
        after: int = 0,
    ) -> AsyncIterator[events.JobEvent]:
        """A job's events as they happen, until it ends; after number `after`. An id of your own needs its `model`."""
        return self._follow(events.Follow(id, model, after=after))

    async def models(self) -> list[records.Model]:
        """The account's models."""
        return await self._run(calls.models(self._options))

    async def model(self, name: str) -> records.Model:
        """One model."""
        return await self._run(calls.model(self._options, name))

    async def deploy(
        self,
        folder: str | pathlib.Path,
        name: str,
        *,
        on_line: Callable[[records.Line], None] | None = None,
        **words: Unpack[deploying.Words],
    ) -> records.Version:
        """Upload `folder` as the next version of `name` and wait until it is live; `on_line` gets the build log.

        Raises:
            BundleUnusable: the folder cannot be deployed. DeployFailed: it did not build or pass its check.
        """
        version = await self.upload(folder, name, **words)
        if not version.done:
            async for line in self.follow(name, version.version):
                if on_line is not None:
                    on_line(line)
            version = await self.version(name, version.version)
        return outcomes.built(version)

    async def upload(self, folder: str | pathlib.Path, name: str, **words: Unpack[deploying.Words]) -> records.Version:
        """Upload `folder` as the next version of `name` and return while it is being built."""
        sending = deploying.upload(folder, name, words)
        request = http.arguments(sending.request, self._timeout)
        reply = await self._send(request | {"headers": sending.headers, "content": _awaited(sending)})
        return deploying.version(reply, name)

    async def versions(self, model: str) -> list[records.Version]:
        """A model's versions."""
        return await self._run(calls.versions(self._options, model))

    async def version(self, model: str, number: int) -> records.Version:
        """One version of a model."""
        return await self._run(calls.version(self._options, model, number))

    async def rollback(self, model: str, version: int) -> dict[str, Any]:
        """Make an earlier version the live one; the backlog goes to it too."""
        return await self._run(calls.rollback(self._options, model, version))

    async def remove(self, model: str) -> None:
        """Remove a model with its versions, topics and results."""
        await self._run(calls.remove(self._options, model))

    async def log(self, model: str, version: int | None = None) -> list[records.Line]:
        """A model's log as it stands, or that of one version's build."""
        return await self._run(calls.text_log(self._options, model, version))

    def follow(self, model: str, version: int | None = None) -> AsyncIterator[records.Line]:
        """The lines of a log as they come: a version's until its build ends, a model's for ever."""
        return self._follow(logs.Follow(model, version))

    async def _finished(self, job_id: str, model: str, timeout: float | None) -> AsyncJob:
        return self._job(await self._run(calls.finished(self._options, job_id, model or None, timeout)), model)

    def _job(self, document: dict[str, Any], model: str | None) -> AsyncJob:
        return AsyncJob.read(document, model=model, client=self)

    async def _run(self, flow: exchange.Flow[T]) -> T:
        """Carry a flow's requests and replies."""
        try:
            request = next(flow)
            while True:
                try:
                    if request.pause:
                        await asyncio.sleep(request.pause)
                    reply = await self._send(http.arguments(request, self._timeout))
                except errors.Unreachable as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, arguments: dict[str, Any]) -> exchange.Reply:
        try:
            return http.reply(await self._http.request(**arguments))
        except httpx.RequestError as error:
            raise http.unreachable(error, self.address) from error

    async def _follow(self, watch: logs.Watch[T]) -> AsyncGenerator[T, None]:
        while not watch.ended:
            request = watch.request()
            await asyncio.sleep(request.pause)
            try:
                async with contextlib.aclosing(self._pieces(request)) as pieces:
                    async for piece in pieces:
                        for line in watch.feed(piece):
                            yield line
                        if watch.ended:
                            return
            except (errors.Unreachable, errors.Unavailable) as error:
                watch.lost(error)
            else:
                watch.lost()

    async def _pieces(self, request: exchange.Request) -> AsyncGenerator[bytes, None]:
        try:
            async with self._http.stream(**http.stream_arguments(request, self._timeout)) as response:
                if not response.is_success:
                    await response.aread()
                    raise exchange.refusal(http.reply(response))
                http.check_stream(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.RequestError as error:
            raise http.unreachable(error, self.address) from error


async def _awaited(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces, read in a thread so that a slow disk holds nobody up."""
    waiting = iter(pieces)
    while (piece := await asyncio.to_thread(next, waiting, None)) is not None:
        yield piece
