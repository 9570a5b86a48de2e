"""A bulk job set: many jobs in one request, a line each, many to a Kafka record of the bulk lane.

The ids of its jobs follow from the set's id and their lines, so the set itself is stored nowhere, memory stays flat
however long it is, and a set that is sent again under its id (after a 503, say) runs each of its jobs once.
"""

import array
import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from ingest import accept, errors, notes, producer
from wire import envelope, ids, names, problems, specs

MAX_LINES: Final = 1 << 24
MAX_LINE: Final = 16 << 20
"""Bytes of one line at most, whatever the model takes: it is buffered."""

RECORD_JOBS: Final = 100
"""Jobs in each of a set's first records."""

RECORDS: Final = 40
"""A record beyond RECORD_JOBS has at most one of so many parts of what its set has so far, so that all workers of the
model have their share. A record costs the broker and the worker's books the same whatever is in it, so long sets get
large ones."""

MOST_RECORD_JOBS: Final = 500
RECORD_BYTES: Final = 512 << 10
IN_FLIGHT: Final = 16
"""Records awaiting acknowledgement before more of the body is read."""

BREATH: Final = 50
"""Lines between two moments in which others have the loop, about 1 ms: a chunk of the body is a thousand lines, and a
waiting POST needs the loop several times. Fewer would leave a set little of a process that others keep busy."""

TOLD: Final = 1000
"""Refused lines that the answer tells of; all are counted."""


class Intake:
    """One request's lines on their way into Kafka."""

    def __init__(
        self,
        *,
        acceptor: accept.Acceptor,
        kafka: producer.Producer,
        signer: ids.Signer,
        endpoint: specs.Endpoint,
        bulk_id: str,
        traceparent: str | None,
        noted: notes.Notes | None = None,
    ) -> None:
        self._acceptor = acceptor
        self._kafka = kafka
        self._endpoint = endpoint
        self._topic = names.bulk_topic(endpoint.account, endpoint.model)
        self._wanted = accept.Wanted(traceparent=traceparent)
        self._noted = noted
        parsed = ids.parse_bulk(bulk_id)
        assert parsed is not None  # noqa: S101  made or checked by the caller
        self._name = signer.members(parsed, account_uid=endpoint.account_uid)
        self._record: list[bytes] = []
        self._enough = RECORD_JOBS
        self._timed: list[tuple[int, envelope.Envelope]] = []
        """Those of the record with a deadline, by their places in it: they are noted, so that they end in time."""
        self._size = 0
        self._sending: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        self.lines = 0
        """Lines read, refused ones included."""
        self.accepted = 0
        """Jobs that Kafka acknowledged."""
        self.refused = 0
        self.problems: list[dict[str, Any]] = []
        self.without = array.array("I")
        """Every refused line."""

    async def take(self, chunks: AsyncIterator[list[bytes]]) -> None:
        """Write every line. Raises KafkaUnavailable, Full or NoRoom as soon as one record was not kept."""
        try:
            async for lines in chunks:
                for raw in lines:
                    job = self._job(raw)
                    if job is not None:
                        if self._record and self._size + len(job[1]) > RECORD_BYTES:
                            await self._flush()
                        self._add(*job)
                        if len(self._record) >= self._enough:
                            await self._flush()
                    if self.lines % BREATH == 0:
                        await asyncio.sleep(0)
            await self._flush()
            while self._sending:
                await asyncio.wait(self._sending)
            self._check()
        finally:
            for task in self._sending:
                task.cancel()

    def _job(self, raw: bytes) -> tuple[envelope.Envelope, bytes] | None:
        """The job of a line, and encoded; None: the line is refused."""
        number = self.lines
        if number >= MAX_LINES:
            raise problems.Problem(413, "Too many lines", f"a set has {MAX_LINES} lines at most; send several")
        self.lines += 1
        if not raw or raw.isspace():
            self._refuse(number, "the line is empty")
            return None
        try:
            return self._acceptor.line(self._endpoint, raw, self._name(number), self._wanted)
        except problems.Problem as problem:
            if problem.status == 409:
                raise
            self._refuse(number, problem.detail)
            return None

    def _add(self, job: envelope.Envelope, content: bytes) -> None:
        """Into the record that is being filled."""
        if job.deadline is not None:
            self._timed.append((len(self._record), job))
        self._record.append(content)
        self._size += len(content)

    def _refuse(self, number: int, why: str) -> None:
        self.refused += 1
        self.without.append(number)
        if len(self.problems) < TOLD:
            self.problems.append({"line": number, "detail": why})

    def reasons(self) -> dict[int, str]:
        """Why each refused line was, as far as it is known."""
        known = {problem["line"]: problem["detail"] for problem in self.problems}
        return {number: known.get(number, "the line is no job of this model") for number in self.without}

    async def _flush(self) -> None:
        if not self._record:
            return
        record, self._record, self._size = self._record, [], 0
        self._enough = min(max(self.lines // RECORDS, RECORD_JOBS), MOST_RECORD_JOBS)
        timed, self._timed = self._timed, []
        while len(self._sending) >= IN_FLIGHT:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        self._check()
        if self._acceptor.full:
            raise errors.NoRoom
        task = asyncio.create_task(self._send(record, timed))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, record: list[bytes], timed: list[tuple[int, envelope.Envelope]]) -> None:
        try:
            value = record[0] if len(record) == 1 else envelope.join_record(record)
            place = await self._kafka.accept_record(self._topic, value, jobs=len(record))
            self.accepted += len(record)
            if self._noted is not None:
                for member, job in timed:
                    self._noted.accepted(self._endpoint, job, place._replace(member=member), bulk=True)
        except errors.IngestError as error:
            self._failed = self._failed or error

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The lines of a body, as they come; a last one without its end counts. Raises Problem 413 for one beyond
    MAX_LINE."""
    rest = b""
    async for chunk in chunks:
        whole = (rest + chunk).split(b"\n")
        rest = whole.pop()
        yield whole
        if len(rest) > MAX_LINE:
            raise problems.Problem(413, "Line too long", f"a line may have {MAX_LINE} bytes")
    if rest.strip():
        yield [rest]
