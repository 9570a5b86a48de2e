"""Answers that are known already, from the worker's side: which jobs are identical, and who answered one of them.

A worker remembers the digests of what it answered itself: that costs 2 µs a job where all of them differ. Where a run
costs more than EXPENSIVE it also tells the other workers, and asks them: in Redis, one call a batch. Either way the
answer is read from the other job's record, which says whether it still counts.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from results import cache, errors, protocol, records
from wire import jobs as words
from wire import specs
from workers import jobs, outcomes

EXPENSIVE: Final = 2.0
"""Milliseconds of predict() an input from which asking Redis, some 10 µs a job, is worth it at any share of hits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How answers of a version may be used again."""

    kind: words.InputType
    seconds: float
    """How long they count."""


class Caching:
    """What one pipeline knows of answers."""

    def __init__(
        self, *, model: Callable[[], specs.Model], store: protocol.Store, shared: cache.Cache | None = None
    ) -> None:
        self._model = model
        self._store = store
        self._shared = shared
        self._lately = cache.Lately()
        self._costs: dict[int, float] = {}
        """Milliseconds of predict() an input, smoothed, by version."""
        self._rule: tuple[specs.Model | None, int, Rule | None] = (None, 0, None)

    def mark(self, version: int, batch: Sequence[jobs.Job]) -> None:
        """Say of jobs that are about to run on `version` which are identical; of those that must run, nothing."""
        rule, uid = self._rule_of(version), self._model().model_uid
        for job in batch:
            job.marked = version
            content, was = job.envelope, job.digest
            if rule is None or content is None or content.cache is False or content.input_ref is not None:
                job.digest = None
            else:
                job.digest = cache.digest(uid, version, rule.kind, content.input)
            if job.given is not None and job.digest != was:
                job.given = None  # another version's answer: the model was rolled back meanwhile

    async def look(self, version: int, batch: Sequence[jobs.Job]) -> None:
        """Give jobs the answers that are known. Where the store is away there are none."""
        rule = self._rule_of(version)
        wanted = [job for job in batch if job.digest is not None and job.given is None] if rule is not None else []
        if rule is None or not wanted:
            return
        found = {job: job_id for job in wanted if (job_id := self._lately.get(job.digest or b"")) is not None}
        with contextlib.suppress(errors.StoreUnavailable):
            if self._shared is not None and len(found) < len(wanted) and self._expensive(version):
                found |= await self._recalled(self._shared, [job for job in wanted if job not in found])
            if found:
                model, now = self._model(), time.time_ns() // 1_000_000
                known = await self._store.fetch_many(model.account, model.model, [*found.values()])
                for job, record in zip(found, known, strict=True):
                    if cache.answers(record, version=version, now_ms=now, seconds=rule.seconds):
                        job.given = _known(record)

    async def ran(self, version: int, ended: Sequence[tuple[jobs.Job, outcomes.Output]], *, each_ms: float) -> None:
        """Jobs ran on `version`, each for so many milliseconds, and these outputs of theirs are stored."""
        was, now = self._costs.get(version, each_ms), time.time_ns() // 1_000_000
        self._costs[version] = was + 0.2 * (each_ms - was)
        told = []
        for job, output in ended:
            if job.digest is not None and job.marked == version and not job.streamed:
                job.answer = jobs.Known(output, now)
                self._lately.put(job.digest, job.id)
                told.append((job.digest, job.id))
        rule = self._rule_of(version)
        if self._shared is not None and rule is not None and told and self._expensive(version):
            model = self._model()
            with contextlib.suppress(errors.StoreUnavailable):
                await self._shared.remember(model.account, model.model, told, seconds=rule.seconds)

    async def _recalled(self, shared: cache.Cache, wanted: Sequence[jobs.Job]) -> dict[jobs.Job, str]:
        model = self._model()
        found = await shared.recall(model.account, model.model, [job.digest or b"" for job in wanted])
        return {job: job_id for job, job_id in zip(wanted, found, strict=True) if job_id is not None}

    def _expensive(self, version: int) -> bool:
        """Whether Redis is asked; a worker that has run nothing yet does."""
        return self._costs.get(version, EXPENSIVE) >= EXPENSIVE

    def _rule_of(self, version: int) -> Rule | None:
        """None: every job of that version runs."""
        model = self._model()
        known, number, rule = self._rule
        if known is not model or number != version:
            rule = _rule(model, version)
            self._rule = model, version, rule
        return rule


def _rule(model: specs.Model, number: int) -> Rule | None:
    version = next((one for one in model.versions if one.version == number), None)
    if version is None:
        return None
    seconds = specs.cached(version.options, version.verdict, model.cache)
    return Rule(kind=version.options.input, seconds=seconds) if seconds > 0 else None


def _known(record: records.Record | None) -> jobs.Known | None:
    if record is None or record.output is None:
        return None
    return jobs.Known(outcomes.Output(record.output, record.details.media), cache.answered_at(record))
