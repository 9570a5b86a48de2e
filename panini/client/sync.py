"""The client for ordinary programs: each call returns when it is done."""

import concurrent.futures
import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from panini.client import address, calls, deploying, errors, events, exchange, http, logs, outcomes, records, sets
from wire import jobs

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job(records.Job):
    """One job as it stood when the server was asked, and what can be done with it."""

    client: "Client" = dataclasses.field(repr=False, compare=False)

    def result(self, timeout: float | None = None) -> Any:
        """The output, waiting for it up to `timeout` seconds (None: as long as it takes).

        Raises:
            JobFailed: it ended otherwise. TimedOut: not ended yet.
        """
        return outcomes.output(self.wait(timeout))

    def wait(self, timeout: float | None = None) -> "Job":
        """The job once it ended, however. Raises TimedOut after `timeout` seconds."""
        job = self if self.whole else self.client._finished(self.id, self.model, timeout)  # noqa: SLF001 - its handle
        return outcomes.ended(job, timeout)

    def refresh(self) -> "Job":
        """The job as it stands now."""
        return self.client.job(self.id, model=self.model or None)

    def cancel(self) -> "Job":
        """Cancel it; the job as it stands then."""
        return self.client.cancel(self.id, model=self.model or None)


class Client:
    """A Panini API and one account's key. Threads may share it; close it, or use it in a `with`."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Args: url and key, else PANINI_URL and PANINI_KEY, else the local stack's; `timeout`: seconds of one HTTP
        request; `retries`: how often a request is sent again where that cannot do a thing twice.

        Raises:
            NotConfigured: no Panini was named and none was found.
        """
        self.address = address.settle(url, key)
        self._timeout = timeout
        self._options = calls.Options(retries=retries)
        self._http = httpx.Client(transport=transport, **http.settings(self.address, timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def submit(
        self,
        model: str,
        input: Any,  # noqa: A002 - the API's word
        *,
        wait: float = 0.0,
        **words: Unpack[calls.Words],
    ) -> Job:
        """Submit a job; return at once, or after at most `wait` seconds when it ended.

        `input` is any JSON value, bytes (sent as base64), numpy arrays or tensors; `calls.Words` has the rest.

        Raises:
            InvalidInput, Refused and its kinds, Unreachable.
        """
        return self._job(self._run(calls.submit(self._options, model, input, words, wait)), model)

    def submit_many(
        self, model: str, inputs: Iterable[Any], *, concurrency: int | None = None, **words: Unpack[calls.Words]
    ) -> list[Job]:
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
                    for found in self._run(sets.submit(self._options, model, inputs, words))
                ]
            )
        with concurrent.futures.ThreadPoolExecutor(max(1, concurrency)) as pool:
            waiting = [pool.submit(self.submit, model, item, **words) for item in inputs]
        return outcomes.all_submitted([item.exception() or item.result() for item in waiting])

    def predict(self, model: str, input: Any, timeout: float | None = 60.0) -> Any:  # noqa: A002 - the API's word
        """The output for one input, waiting up to `timeout` seconds.

        Raises:
            JobFailed: it ended otherwise. TimedOut: its `job` goes on. And what `submit` raises.
        """
        if timeout is None:
            return self.submit(model, input, wait=calls.LONG_POLL).result()
        return outcomes.output(outcomes.ended(self.submit(model, input, wait=timeout), timeout))

    def job(self, id: str, *, model: str | None = None, wait: float = 0.0) -> Job:  # noqa: A002 - the API's word
        """A job as it stands, or after at most `wait` seconds once it ended. An id of your own needs its `model`."""
        return self._job(self._run(calls.job(self._options, id, model, wait)), model)

    def jobs(self, model: str, status: jobs.Status | str | None = None) -> Iterator[Job]:
        """A model's jobs, newest first, fetched as they are asked for."""
        cursor: str | None = None
        while True:
            page, cursor = self._run(calls.jobs_page(self._options, model, status, cursor))
            yield from (self._job(document, model) for document in page)
            if not cursor:
                return

    def cancel(self, id: str, *, model: str | None = None) -> Job:  # noqa: A002 - the API's word
        """Cancel a job; the job as it stands then. An id of your own needs its `model`."""
        return self._job(self._run(calls.cancel(self._options, id, model)), model)

    def events(
        self,
        id: str,  # noqa: A002 - the API's word
        *,
        model: str | None = None,
        after: int = 0,
    ) -> Iterator[events.JobEvent]:
        """A job's events as they happen, until it ends; after number `after`. An id of your own needs its `model`."""
        return self._follow(events.Follow(id, model, after=after))

    def models(self) -> list[records.Model]:
        """The account's models."""
        return self._run(calls.models(self._options))

    def model(self, name: str) -> records.Model:
        """One model."""
        return self._run(calls.model(self._options, name))

    def deploy(
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
        version = self.upload(folder, name, **words)
        if not version.done:
            for line in self.follow(name, version.version):
                if on_line is not None:
                    on_line(line)
            version = self.version(name, version.version)
        return outcomes.built(version)

    def upload(self, folder: str | pathlib.Path, name: str, **words: Unpack[deploying.Words]) -> records.Version:
        """Upload `folder` as the next version of `name` and return while it is being built."""
        sending = deploying.upload(folder, name, words)
        request = http.arguments(sending.request, self._timeout)
        reply = self._send(request | {"headers": sending.headers, "content": iter(sending)})
        return deploying.version(reply, name)

    def versions(self, model: str) -> list[records.Version]:
        """A model's versions."""
        return self._run(calls.versions(self._options, model))

    def version(self, model: str, number: int) -> records.Version:
        """One version of a model."""
        return self._run(calls.version(self._options, model, number))

    def rollback(self, model: str, version: int) -> dict[str, Any]:
        """Make an earlier version the live one; the backlog goes to it too."""
        return self._run(calls.rollback(self._options, model, version))

    def remove(self, model: str) -> None:
        """Remove a model with its versions, topics and results."""
        self._run(calls.remove(self._options, model))

    def log(self, model: str, version: int | None = None) -> list[records.Line]:
        """A model's log as it stands, or that of one version's build."""
        return self._run(calls.text_log(self._options, model, version))

    def follow(self, model: str, version: int | None = None) -> Iterator[records.Line]:
        """The lines of a log as they come: a version's until its build ends, a model's for ever."""
        return self._follow(logs.Follow(model, version))

    def _finished(self, job_id: str, model: str, timeout: float | None) -> Job:
        return self._job(self._run(calls.finished(self._options, job_id, model or None, timeout)), model)

    def _job(self, document: dict[str, Any], model: str | None) -> Job:
        return Job.read(document, model=model, client=self)

    def _run(self, flow: exchange.Flow[T]) -> T:
        """Carry a flow's requests and replies."""
        try:
            request = next(flow)
            while True:
                try:
                    if request.pause:
                        time.sleep(request.pause)
                    reply = self._send(http.arguments(request, self._timeout))
                except errors.Unreachable as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, arguments: dict[str, Any]) -> exchange.Reply:
        try:
            return http.reply(self._http.request(**arguments))
        except httpx.RequestError as error:
            raise http.unreachable(error, self.address) from error

    def _follow(self, watch: logs.Watch[T]) -> Iterator[T]:
        while not watch.ended:
            request = watch.request()
            time.sleep(request.pause)
            try:
                with contextlib.closing(self._pieces(request)) as pieces:
                    for piece in pieces:
                        yield from watch.feed(piece)
                        if watch.ended:
                            return
            except (errors.Unreachable, errors.Unavailable) as error:
                watch.lost(error)
            else:
                watch.lost()

    def _pieces(self, request: exchange.Request) -> Generator[bytes, None, None]:
        try:
            with self._http.stream(**http.stream_arguments(request, self._timeout)) as response:
                if not response.is_success:
                    response.read()
                    raise exchange.refusal(http.reply(response))
                http.check_stream(response)
                yield from response.iter_bytes()
        except httpx.RequestError as error:
            raise http.unreachable(error, self.address) from error
