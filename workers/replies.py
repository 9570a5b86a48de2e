"""Reply topics: a finished job as a record of the topic that its client named, out of the model's allow-list.

At least once: the reply is acknowledged by Kafka before the job's own record counts as finished, and a job that is
found ended when its record comes again (its worker was lost in between) is replied to again, with the same id.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from registry import client
from registry import errors as registry_errors
from results import errors as store_errors
from results import protocol, views
from wire import specs
from workers import errors, jobs, produce

log = logging.getLogger(__name__)

ID_HEADER: Final = "panini-id"

_PAUSES: Final = (0.1, 5.0)
"""Seconds before the first and at most before any later try."""

_ASK_AGAIN: Final = 0.2
"""Seconds after which the registry is asked anew for the allow-list: a flood of wrong names is 5 calls a second."""


class Replies:
    """Sends finished jobs to where their clients listen."""

    def __init__(
        self,
        store: protocol.Store,
        to: produce.Producer,
        model: Callable[[], specs.Model],
        *,
        ask: Callable[[], Awaitable[client.Model | None]],
    ) -> None:
        self._store = store
        self._to = to
        self._model = model
        self._ask = ask
        self._asked = -_ASK_AGAIN
        self._newest: list[str] = []

    async def send(self, finished: Sequence[jobs.Job]) -> None:
        """Reply to those that ask for it. Returns once Kafka has every reply, however long that takes.

        A topic that Kafka refuses or does not have is told in the log and given up: the result stays readable.
        """
        wanted = [job for job in finished if job.reply_to is not None and await self._allowed(job)]
        pause = _PAUSES[0]
        while wanted:
            try:
                records = await self._records(wanted)
                await self._to.send(records)
            except (store_errors.StoreUnavailable, errors.KafkaAway) as error:
                known = await self._known(wanted)
                if len(known) < len(wanted):
                    wanted = known
                    continue
                log.warning("%d replies wait: %s", len(wanted), error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSES[1])
            except errors.KafkaRefused as error:
                if len(wanted) > 1:  # one of them is refused: find it
                    for job in wanted:
                        await self.send([job])
                else:
                    refused, subject = wanted[0], {"job": wanted[0].id}
                    log.error(
                        "the reply to %s was refused by %s: %s", refused.id, refused.reply_to, error, extra=subject
                    )
                return
            else:
                return

    async def _allowed(self, job: jobs.Job) -> bool:
        """By the list as this worker knows it, and else as the registry does: a worker that loads a version knows the
        list from before, and ingest may have accepted the job by a newer one."""
        if job.reply_to in self._model().reply_topics:
            return True
        if time.monotonic() - self._asked >= _ASK_AGAIN:
            try:
                found = await self._ask()
            except registry_errors.RegistryError as error:
                log.warning("the registry does not say which topics may be replied to: %s", error)
            else:
                self._asked, self._newest = time.monotonic(), found.model.reply_topics if found is not None else []
        if job.reply_to in self._newest:
            return True
        subject = {"job": job.id}
        log.warning("job %s names the topic %r, which its model may not reply to", job.id, job.reply_to, extra=subject)
        return False

    async def _known(self, wanted: list[jobs.Job]) -> list[jobs.Job]:
        """Those whose topic exists, as far as Kafka can tell now."""
        try:
            there = set(await self._to.existing(""))
        except errors.KafkaAway:
            return wanted
        for job in wanted:
            if job.reply_to not in there:
                subject = {"job": job.id}
                log.error("the reply to %s is dropped: there is no topic %s", job.id, job.reply_to, extra=subject)
        return [job for job in wanted if job.reply_to in there]

    async def _records(self, wanted: Sequence[jobs.Job]) -> list[produce.Record]:
        model = self._model()
        found = await self._store.fetch_many(model.account, model.model, [job.id for job in wanted])
        return [
            produce.Record(
                topic=job.reply_to or "",
                value=views.job(job.id, model.model, record, ours=job.ours),
                headers=_headers(job),
            )
            for job, record in zip(wanted, found, strict=True)
            if record is not None and record.terminal
        ]


def _headers(job: jobs.Job) -> tuple[tuple[str, bytes], ...]:
    trace = job.envelope.traceparent if job.envelope is not None else None
    named = ((ID_HEADER, job.id.encode()),)
    return named if trace is None else (*named, ("traceparent", trace.encode()))
