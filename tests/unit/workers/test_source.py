"""What the source does with a fetch, without a broker: the library's consumer and faust's are doubles."""

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

from workers import errors, offsets, source

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
        self.source: Any = SimpleNamespace(
            generation=3,
            partitions={TP("t", 0): offsets.Partition()},
            handlers=SimpleNamespace(records=self.taken.extend, ready=lambda _: 0),
            sleeping={},
        )

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
        await source._Consumer._fetch_from(self.consumer, self.source, aio, {TP("t", 0)}, 10)

    @property
    def kept(self) -> offsets.Partition:
        """The bookkeeping of the one partition."""
        found: offsets.Partition = self.source.partitions[TP("t", 0)]
        return found


async def test_records_are_noted_before_they_are_handed_on() -> None:
    bench = Bench(fetched(5, 6, 9))
    await bench.run()
    assert [record.offset for record in bench.taken] == [5, 6, 9]
    assert {record.generation for record in bench.taken} == {3}
    assert (bench.kept.unfinished, bench.kept.position) == (3, 10)


def _rebalanced(bench: Bench) -> None:
    bench.source.generation += 2
    bench.source.partitions = {TP("t", 0): offsets.Partition()}


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
        source.check_library()
    monkeypatch.undo()
    monkeypatch.delattr(Consumer, "force_commit")
    with pytest.raises(errors.LibraryChanged, match="force_commit"):
        source.check_library()
