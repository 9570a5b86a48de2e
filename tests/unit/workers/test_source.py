"""The books of a source, and what becomes of a fetch; the library's consumer and faust's are doubles."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiokafka.errors
import aiokafka.structs
import faust
import pytest
from aiokafka.consumer import fetcher
from faust.transport.consumer import Consumer
from faust.types import TP

from workers import errors, faust_app, offsets, source

LIBRARY = aiokafka.structs.TopicPartition("t", 0)


def fetched(*offset_list: int) -> dict[Any, list[Any]]:
    record = {"topic": "t", "partition": 0, "timestamp": 1, "value": b"x", "headers": ()}
    return {LIBRARY: [SimpleNamespace(offset=offset, **record) for offset in offset_list]}


class Bench:
    """`_fetch_from` between a consumer that answers with `answer` and a worker that keeps records."""

    def __init__(self, answer: dict[Any, list[Any]], meanwhile: Callable[["Bench"], None] = lambda _: None) -> None:
        self.taken: list[source.Record] = []
        self.sought: list[tuple[Any, int]] = []
        self.lost = False
        handlers: Any = SimpleNamespace(records=self.taken.extend, ready=lambda _: 0)
        self.source = source.Source(handlers)
        self.source.assign([("t", 0)])

        async def fetch(*_: object, **__: object) -> dict[Any, list[Any]]:
            meanwhile(self)
            return answer

        self.consumer: Any = SimpleNamespace(_thread=SimpleNamespace(_fetch_records=fetch), flow_active=True)

    def seek(self, tp: Any, offset: int) -> None:
        """The library's: only for what is assigned."""
        if self.lost:
            raise aiokafka.errors.IllegalStateError
        self.sought.append((tp, offset))

    async def run(self) -> None:
        """One fetch."""
        aio: Any = SimpleNamespace(seek=self.seek)
        await faust_app._Consumer._fetch_from(self.consumer, self.source, aio, {TP("t", 0)})

    @property
    def kept(self) -> offsets.Partition:
        """The bookkeeping of the one partition."""
        return self.source.partitions["t", 0]


def record(offset: int, *, generation: int, partition: int = 0) -> source.Record:
    """One that was fetched."""
    return source.Record(
        topic="t", partition=partition, offset=offset, timestamp=1, value=b"x", headers=(), generation=generation
    )


def test_what_is_due_is_committed_once_and_what_was_revoked_never() -> None:
    # Given a partition with two records, the first finished
    taken: list[source.Record] = []
    handlers: Any = SimpleNamespace(records=taken.extend)
    kept = source.Source(handlers)
    kept.assign([("t", 0), ("t", 1)])
    first, second = record(5, generation=1), record(6, generation=1)
    kept.deliver({("t", 0): [first, second], ("t", 7): [record(1, generation=1, partition=7)]})
    assert taken == [first, second], "nobody holds partition 7 here"
    kept.finished(first)
    # Then its offset is due until Kafka has it
    assert kept.due() == {("t", 0): 6}
    kept.committed({("t", 0): 6})
    assert kept.due() == {}
    # And after the assignment's end nothing is, whoever finishes
    kept.revoke()
    kept.finished(second)
    assert (kept.due(), kept.assigned) == ({}, [])


async def test_a_partition_that_sleeps_is_not_woken_after_it_was_revoked() -> None:
    woken: list[int] = []
    kept = source.Source(SimpleNamespace())  # type: ignore[arg-type]  # it tells nobody here
    kept.assign([("t", 0)])
    kept.sleeping["t", 0] = asyncio.get_running_loop().call_later(0.0, woken.append, 1)
    kept.revoke()
    await asyncio.sleep(0.01)
    assert (woken, kept.sleeping) == ([], {})


async def test_records_are_noted_before_they_are_handed_on() -> None:
    bench = Bench(fetched(5, 6, 9))
    await bench.run()
    assert [record.offset for record in bench.taken] == [5, 6, 9]
    assert {record.generation for record in bench.taken} == {1}
    assert (bench.kept.unfinished, bench.kept.position) == (3, 10)


def _rebalanced(bench: Bench) -> None:
    bench.source.revoke()
    bench.source.assign([("t", 0)])


def _revoked(bench: Bench) -> None:
    bench.consumer.flow_active = False


@pytest.mark.parametrize("meanwhile", [_rebalanced, _revoked])
async def test_a_fetch_that_spanned_a_rebalance_is_given_back(meanwhile: Callable[[Bench], None]) -> None:
    """The library's position is past its records already: dropped, they would be committed over.

    Catches the loss of `_give_back` in `_fetch_from`.
    """
    bench = Bench(fetched(5, 6), meanwhile)
    await bench.run()
    assert bench.taken == []
    assert bench.sought == [(LIBRARY, 5)]
    assert bench.kept.position is None


async def test_what_is_not_ours_any_more_need_not_be_given_back() -> None:
    bench = Bench(fetched(5), _rebalanced)
    bench.lost = True
    await bench.run()
    assert bench.sought == []


def test_the_library_waits_for_what_lies_unread_by_the_name_that_we_set() -> None:
    assert "_prefetch_backoff" in fetcher.Fetcher.__init__.__code__.co_names


def test_another_faust_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The private names this module overrides are those of one version. Catches `check_library` taken out."""
    monkeypatch.setattr(faust, "__version__", "0.99")
    with pytest.raises(errors.LibraryChanged, match=r"0\.99"):
        faust_app.check_library()
    monkeypatch.undo()
    monkeypatch.delattr(Consumer, "force_commit")
    with pytest.raises(errors.LibraryChanged, match="force_commit"):
        faust_app.check_library()
