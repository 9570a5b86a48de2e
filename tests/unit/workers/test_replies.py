"""Which finished jobs are replied to."""

from collections.abc import Sequence

import pytest

from registry import client
from registry import errors as registry_errors
from results import memory, records
from tests.unit.workers import kit
from wire import jobs as wire_jobs
from wire import specs
from workers import jobs, produce, replies

ENDED = records.head(
    wire_jobs.Status.SUCCEEDED, starts=1, token="t" * 16, version=1, created_at=1, completed_at=2, expires_at=3
) + records.body(records.Details(), b"2")


class Kept(memory.Store):
    """A store in which every job has ended."""

    async def fetch_many(self, account: str, model: str, job_ids: list[str]) -> list[records.Record | None]:
        return [records.decode(ENDED) for _ in job_ids]


class Sent(produce.Producer):
    """A producer that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[produce.Record] = []

    async def send(self, records: Sequence[produce.Record]) -> None:
        self.records += records


def model(*topics: str) -> specs.Model:
    return specs.Model(
        account="default",
        account_uid=1,
        model="m",
        model_uid=1,
        topic_uuid="T",
        live=1,
        versions=[],
        reply_topics=[*topics],
    )


def job(to: str) -> jobs.Job:
    record = kit.record({"id": "a", "input": 1, "reply_to": to})
    [found] = jobs.read(record, topic_uuid="T", max_age=60)
    return found


@pytest.mark.parametrize(("newest", "asked"), [(["answers"], 1), (["other"], 1), (None, 2)])
async def test_a_list_that_this_worker_does_not_know_yet_counts(newest: list[str] | None, asked: int) -> None:
    """Catches `self._ask` of Replies._allowed taken out: a worker that loads a version drops accepted replies."""
    # Given a worker that knows an older list than the registry
    calls: list[int] = []

    async def ask() -> client.Model | None:
        calls.append(1)
        if newest is None:
            raise registry_errors.RegistryUnavailable("away")
        return client.Model(etag="2", model=model(*newest))

    to = Sent()
    made = replies.Replies(Kept(), to, lambda: model("older"), ask=ask)
    # When jobs end that name another topic
    await made.send([job("answers"), job("answers")])
    # Then the registry's word counts, asked once for all of them
    assert [record.topic for record in to.records] == (["answers"] * 2 if newest == ["answers"] else [])
    assert len(calls) == asked
