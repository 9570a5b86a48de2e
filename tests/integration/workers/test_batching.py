"""Verified batching on real runners: what each kind of predict() is allowed, told, and answers meanwhile."""

import asyncio
import collections
import pathlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from wire import envelope, jobs, specs
from workers import fleet, folders, host, outcomes, runner_settings, runners, trials

from . import predicts

OPEN, CLOSED, UNPROVEN = specs.Batching.OPEN, specs.Batching.CLOSED, specs.Batching.UNPROVEN


class House:
    """A fleet with one version, whose runner tells the size of each call."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self.verdicts: asyncio.Queue[specs.Verdict] = asyncio.Queue()
        self.calls: collections.Counter[int] = collections.Counter()
        self.fleet: fleet.Fleet
        self._model: specs.Model
        self._number = 0

    async def start(
        self, source: str, *, batch: bool | str = "verified", verdict: specs.Verdict | None = None, **options: Any
    ) -> None:
        """Write predict.py and load it."""
        bundle = self.home / "versions" / "default.m" / "v1"
        bundle.mkdir(parents=True)
        (bundle / "predict.py").write_text(source)
        version = specs.Version(
            version=1, state=specs.VersionState.LIVE, digest="d", files=[], created_at=0, verdict=verdict,
            options=specs.Options(batch=batch, timeout=options.pop("timeout", 20.0), **options),
        )  # fmt: skip
        self._model = specs.Model(
            account="default", account_uid=1, model="m", model_uid=1, topic_uuid="t", live=1, versions=[version]
        )
        own = folders.Folders(home=self.home, owner="default.m")
        made = CountingHost(self.calls)

        async def prepare(_version: specs.Version) -> host.Spec:
            return host.Spec(bundle=bundle, folders=own, input=version.options.input)

        self.fleet = fleet.Fleet(
            model=lambda: self._model, runs_on=made, prepare=prepare, log_line=lambda _number, _line: None,
            on_verdict=lambda _number, verdict: self.verdicts.put_nowait(verdict),
        )  # fmt: skip
        await self.fleet.go_live(1)

    async def ran(self, values: Sequence[Any]) -> list[outcomes.Outcome]:
        """The outcomes of values that come together."""
        work = []
        for value in values:
            self._number += 1
            given = envelope.json_input(msgspec.json.encode(value))
            work.append(fleet.Work(id=f"j{self._number}", input=given, timeout=None))
        return (await self.fleet.run(1, work)).outcomes

    async def answers(self, values: Sequence[Any]) -> list[Any]:
        """Their outputs."""
        found = []
        for outcome in await self.ran(values):
            assert isinstance(outcome, outcomes.Output), outcome
            found.append(msgspec.json.decode(outcome.data))
        return found

    async def verdict(self) -> specs.Verdict:
        """The next one."""
        async with asyncio.timeout(20):
            return await self.verdicts.get()

    async def settled(self) -> None:
        """Return when the runner has done all that it was given."""
        loaded = self.fleet._loaded[1]
        assert loaded.runner is not None
        await loaded.runner.run([], together=False, timeout=20)

    @property
    def trials(self) -> trials.Trials:
        """Of the version."""
        found = self.fleet._loaded[1].trials
        assert found is not None
        return found


class CountingHost(host.LocalHost):
    """Counts the predict() calls of its runners by their sizes."""

    def __init__(self, calls: collections.Counter[int]) -> None:
        super().__init__(runner_settings.RunnerSettings(runner_term_grace=0.5))
        self._calls = calls

    async def spawn(
        self, spec: host.Spec, *, on_log: host.OnLine, on_event: runners.OnEvent | None = None
    ) -> runners.Runner:
        """See host.Host."""
        runner = await super().spawn(spec, on_log=on_log, on_event=on_event)
        run = runner.run

        async def counted(inputs: Sequence[bytes], *, together: bool, **options: Any) -> outcomes.Ran:
            self._calls[len(inputs) if together else 1] += 1 if together else len(inputs)
            return await run(inputs, together=together, **options)

        runner.run = counted  # type: ignore[method-assign]
        return runner


@pytest_asyncio.fixture
async def house(tmp_path: pathlib.Path) -> AsyncIterator[House]:
    """Its runner ends with the test."""
    made = House(tmp_path)
    yield made
    await made.fleet.stop()


VECTORISED = "def predict(inputs):\n    return [x * 2.5 for x in inputs]\n"


async def test_a_correct_predict_gets_batches(house: House) -> None:
    # Given
    await house.start(VECTORISED)
    # When two different inputs came
    assert await house.answers([1, 2]) == [2.5, 5.0]
    # Then batches open, and inputs come together from now on
    verdict = await house.verdict()
    assert (verdict.batching, verdict.advice) == (OPEN, None)
    assert await house.answers(range(50)) == [x * 2.5 for x in range(50)]
    await house.settled()
    assert house.calls[50] == 1
    # And only the first of the like is checked
    before = house.calls.total()
    assert await house.answers(range(50)) == [x * 2.5 for x in range(50)]
    await house.settled()
    assert house.calls[50] == 2
    assert house.calls.total() == before + 1


async def test_inputs_one_at_a_time_are_proof_too(house: House) -> None:
    await house.start(VECTORISED)
    assert await house.answers([1]) == [2.5]
    assert await house.answers([1]) == [2.5]
    assert house.verdicts.empty()
    assert await house.answers([2]) == [5.0]
    assert (await house.verdict()).batching is OPEN


@pytest.mark.parametrize("kind", predicts.WRONG)
async def test_a_predict_that_cannot_take_batches_never_does(house: House, kind: str) -> None:
    # Given
    source, why, advice = predicts.WRONG[kind]
    await house.start(source)
    # When
    alone = [(await house.ran([value]))[0] for value in (1, 7)]
    verdict = await house.verdict()
    # Then its author is told why and what to do
    assert verdict.batching is CLOSED
    assert why in verdict.why
    assert advice in (verdict.advice or "")
    # And from then on its inputs run one by one, whatever comes
    found = await house.ran([1, 7, 1, 1])
    await house.settled()
    if kind not in {"random", "a counter"}:
        assert found == [alone[0], alone[1], alone[0], alone[0]]
    assert house.verdicts.empty()
    assert house.calls[4] == 0


@pytest.mark.parametrize("kind", predicts.RIGHT)
async def test_what_frameworks_return_gets_batches(house: House, kind: str) -> None:
    await house.start(predicts.RIGHT[kind])
    alone = await house.answers([1, 2, 3])
    assert (await house.verdict()).batching is OPEN
    assert len(await house.answers([3, 1, 2])) == 3
    assert (await house.answers([1]))[0] == alone[0]
    assert house.verdicts.empty()


async def test_bytes_are_compared_exactly(house: House) -> None:
    source = "def predict(inputs):\n    return [bytes([x]) * (4 + (len(inputs) > 2)) for x in inputs]\n"
    await house.start(source)
    await house.ran([1, 2])
    verdict = await house.verdict()
    assert verdict.batching is CLOSED
    assert "4 bytes of application/octet-stream" in verdict.why


async def test_a_larger_batch_than_any_before_is_checked_and_answered_by_the_singles(house: House) -> None:
    # Given a predict that is right for the sizes that were proven
    await house.start(predicts.LARGE_WRONG)
    await house.answers([1, 2])
    assert (await house.verdict()).batching is OPEN
    assert await house.answers([1, 2, 3]) == [2, 4, 6]
    # When a batch comes that it gets wrong
    found = await house.answers(range(1, 20))
    # Then nobody gets a wrong answer, and batches close
    assert found == [x * 2 for x in range(1, 20)]
    assert (await house.verdict()).batching is CLOSED
    assert await house.answers(range(1, 20)) == [x * 2 for x in range(1, 20)]
    await house.settled()
    assert house.calls[19] == 1


@pytest.mark.parametrize(
    "wrong", ["right[:-1]", "right[0]", "[float('nan')] * len(inputs)", "[object()] * len(inputs)"]
)
async def test_a_batch_without_an_answer_for_each_is_answered_by_the_singles(house: House, wrong: str) -> None:
    # Given open batches whose first was checked
    await house.start(predicts.SPOILT_LATER.format(wrong))
    await house.answers([1, 2])
    assert (await house.verdict()).batching is OPEN
    await house.answers(range(10))
    # When a batch fails that was not to be checked
    found = await house.answers([500, 600, 700])
    # Then
    assert found == [1000, 1200, 1400]
    assert (await house.verdict()).batching is CLOSED


async def test_a_bad_input_fails_alone_and_closes_nothing(house: House) -> None:
    await house.start(predicts.PICKY)
    await house.answers([1, 2])
    assert (await house.verdict()).batching is OPEN
    found = await house.ran([1, -1, 3])
    assert [type(one) for one in found] == [outcomes.Output, outcomes.Failure, outcomes.Output]
    assert isinstance(found[1], outcomes.Failure)
    assert found[1].type is jobs.ErrorType.INVALID_INPUT
    await house.settled()
    assert house.trials.policy.state is OPEN


async def test_what_raises_once_is_forgiven_what_raises_always_is_not(house: House) -> None:
    # Given a predict that raises for the third batch of several, and for inputs above 99 whenever they are several
    await house.start(predicts.RAISES)
    await house.answers([1, 2])
    assert (await house.verdict()).batching is OPEN
    await house.answers([1, 2])
    # When it raises once
    assert await house.answers([3, 4]) == [6, 8]
    await house.settled()
    # Then batches stay open; when it raises again and again they close
    assert house.trials.policy.state is OPEN
    assert await house.answers([300, 4]) == [600, 8]
    verdict = await house.verdict()
    assert verdict.batching is CLOSED
    assert "away" in verdict.why


async def test_a_batch_that_ends_its_runner_costs_no_answer(house: House) -> None:
    # Given a predict that dies of batches
    await house.start(predicts.DEADLY)
    # When inputs come until it is given up
    for value in range(2, 20):
        assert await house.answers([1, value]) == [1, value]
        if (trial := house.trials._proving) is not None:
            await asyncio.wait([trial])
        if not house.verdicts.empty():
            break
    # Then
    verdict = await house.verdict()
    assert verdict.batching is CLOSED
    assert "ended the runner" in verdict.why


async def test_an_open_verdict_holds_after_a_restart_and_is_checked_at_once(house: House) -> None:
    known = specs.Verdict(batching=OPEN, why="before")
    tutorial = next(iter(predicts.WRONG.values())).source
    await house.start(tutorial, verdict=known)
    assert await house.answers([7, 1]) == [["seven", 1], ["other", 1]]
    assert (await house.verdict()).batching is CLOSED


async def test_a_closed_verdict_holds_after_a_restart(house: House) -> None:
    await house.start(VECTORISED, verdict=specs.Verdict(batching=CLOSED, why="before"))
    assert await house.answers([1, 2]) == [2.5, 5.0]
    await house.settled()
    assert house.verdicts.empty()
    assert +house.calls == {1: 2}


async def test_what_another_worker_found_out_holds_here(house: House) -> None:
    # Given
    await house.start(VECTORISED)
    await house.answers([1, 2])
    assert (await house.verdict()).batching is OPEN
    # When the registry tells of a difference
    version = msgspec.structs.replace(
        house._model.versions[0], verdict=specs.Verdict(batching=CLOSED, why="another worker")
    )
    house._model = msgspec.structs.replace(house._model, versions=[version])
    house.fleet.follow()
    # Then
    assert house.trials.policy.state is CLOSED
    await house.answers([1, 2, 3])
    await house.settled()
    assert house.calls[3] == 1  # the trial


@pytest.mark.parametrize(("batch", "sizes"), [(True, {2: 1}), (False, {1: 2})])
async def test_what_its_author_declared_is_not_checked(house: House, batch: bool, sizes: dict[int, int]) -> None:
    await house.start("def predict(inputs):\n    return [x * 2 for x in inputs]\n", batch=batch)
    assert await house.answers([1, 2]) == [2, 4]
    await house.settled()
    assert house.verdicts.empty()
    assert +house.calls == sizes
