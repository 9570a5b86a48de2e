"""What a fleet does about runners that die or do not start, with runners that are not there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from wire import jobs as words
from wire import specs
from workers import errors, fleet, host, outcomes, quarantine


class Runner:
    """Answers each input with itself, until it is dead."""

    def __init__(self) -> None:
        self.alive = True

    async def run(self, inputs: list[bytes], **_: Any) -> outcomes.Ran:
        return outcomes.Ran([outcomes.Output(one) for one in inputs], 1.0)

    async def stop(self) -> None:
        self.alive = False


class Host:
    """Starts runners, or not."""

    def __init__(self) -> None:
        self.broken = False
        self.starts = 0
        self.runners: list[Runner] = []

    async def spawn(self, *_: Any, **__: Any) -> Runner:
        self.starts += 1
        await asyncio.sleep(0)
        if self.broken:
            raise errors.LoadFailed("no weights")
        self.runners.append(Runner())
        return self.runners[-1]


def version(number: int, state: specs.VersionState = specs.VersionState.LIVE, **options: Any) -> specs.Version:
    return specs.Version(
        version=number, state=state, digest="d", files=[], options=specs.Options(batch=False, **options), created_at=0
    )


RETRY = specs.Retry(on=(words.ErrorType.TIMEOUT,))
MODEL = specs.Model(
    account="acme",
    account_uid=1,
    model="m",
    model_uid=1,
    topic_uuid="u",
    live=1,
    versions=[
        version(1),
        version(2, specs.VersionState.READY, retry=RETRY),
        version(3, specs.VersionState.FAILED),
    ],
)


class Given:
    """A fleet on a double of a host."""

    def __init__(self) -> None:
        self.host = Host()
        self.lines: list[str] = []
        double: Any = self.host
        self.fleet = fleet.Fleet(
            model=lambda: MODEL,
            runs_on=double,
            prepare=self._prepare,
            log_line=lambda _, line: self.lines.append(line),
        )

    async def _prepare(self, _: specs.Version) -> host.Spec:
        made: Any = None
        return made  # type: ignore[no-any-return]

    async def run(self, number: int = 1) -> list[outcomes.Outcome]:
        work = fleet.Work(id="j", input=msgspec.Raw(b"\x01"), timeout=None)
        return (await self.fleet.run(number, [work])).outcomes

    async def until(self, met: Any) -> None:
        async with asyncio.timeout(10):
            while not met():  # noqa: ASYNC110  nothing tells it
                await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def given(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Given]:
    """Stopped with the test; its pauses are short."""
    monkeypatch.setattr(quarantine, "FIRST_PAUSE", 0.001)
    made = Given()
    yield made
    await made.fleet.stop()


async def test_a_runner_that_died_idle_is_started_before_the_next_job(given: Given) -> None:
    await given.fleet.go_live(1)
    given.host.runners[0].alive = False

    await given.fleet.tidy()
    await given.until(lambda: given.host.starts == 2)
    await given.run()

    assert given.host.starts == 2


async def test_it_is_started_once_however_often_one_looks(given: Given) -> None:
    await given.fleet.go_live(1)
    given.host.runners[0].alive = False
    for _ in range(5):
        await given.fleet.tidy()
    await given.until(lambda: len(given.host.runners) == 2)
    await given.fleet.tidy()
    assert given.host.starts == 2


async def test_one_that_lives_and_one_that_is_not_live_are_left_alone(given: Given) -> None:
    await given.fleet.go_live(1)
    await given.run(2)
    given.host.runners[1].alive = False
    await given.fleet.tidy()
    await asyncio.sleep(0)
    assert given.host.starts == 2


async def test_five_failed_starts_are_a_quarantine_and_another_version_passes(given: Given) -> None:
    # Given a version that does not start any more
    await given.fleet.go_live(1)
    given.host.runners[0].alive = False
    given.host.broken = True
    # When a job comes
    (stuck,) = await given.run()
    # Then it is to come again, after five starts
    assert isinstance(stuck, outcomes.Failure)
    assert (stuck.type, stuck.retry_after) == (words.ErrorType.MODEL_UNAVAILABLE, quarantine.WINDOW)
    assert given.host.starts == 1 + quarantine.FAILURES
    assert sum("no weights" in line for line in given.lines) == quarantine.FAILURES
    # And further ones cause no start
    await given.run()
    await given.fleet.tidy()
    await asyncio.sleep(0)
    assert given.host.starts == 1 + quarantine.FAILURES
    # And another version's runs
    given.host.broken = False
    assert await given.run(2) == [outcomes.Output(b"\x01")]


async def test_a_version_that_never_passed_fails_for_good(given: Given) -> None:
    for number in (3, 9):
        (failed,) = await given.run(number)
        assert isinstance(failed, outcomes.Failure)
        assert (failed.type, failed.retry_after) == (words.ErrorType.MODEL_UNAVAILABLE, None)


async def test_each_version_has_its_own_policy(given: Given) -> None:
    assert [given.fleet.retry(number) for number in (1, 2, 9)] == [specs.Retry(), RETRY, specs.Retry()]


async def test_stop_waits_for_no_start(given: Given) -> None:
    await given.fleet.go_live(1)
    given.host.runners[0].alive = False
    given.host.broken = True
    await given.fleet.tidy()
    await given.fleet.stop()


@pytest.mark.parametrize(("left", "seconds"), [(60.0, 60.0), (21.0, 60.0), (19.0, 19.0), (1.0, 1.0)])
def test_how_long_a_job_waits_for_a_quarantine(left: float, seconds: float) -> None:
    assert quarantine.wait(left) == seconds
