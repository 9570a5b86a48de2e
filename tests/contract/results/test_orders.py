"""Every order of calls about one job, against what DESIGN says of it, in every store.

Each call is one atomic script, so the orders of the calls are all that concurrent callers can bring about. From each
state that a job may be in, every three calls of two workers and a client follow each other, and after each of them the
store must say what the table here says.
"""

import asyncio
import itertools
from typing import Final, NamedTuple

import pytest

from panini.stack import valkey as stack_valkey
from results import keys, link, protocol, records, store
from tests.contract.results.test_store import A, end, now, request, token
from wire import jobs, settings

HOOK: Final = protocol.Hook(url="https://example.com/hook")

BEFORE: Final = {
    "nobody knows it": (),
    "a runs it": ("claim a",),
    "a runs it, its last start": ("claim x", "claim y", "claim a"),
    "a runs it and is asked to cancel it": ("claim a", "cancel"),
    "a gave it back": ("claim a", "release a"),
    "a ended it": ("claim a", "finish a"),
}
CALLS: Final = (
    "claim b", "claim c", "finish a", "finish b", "cancel", "release a", "postpone a", "charge b", "delete"
)  # fmt: skip


class State(NamedTuple):
    """What is to be true of the job."""

    status: jobs.Status | None = None
    starts: int = 0
    by: str = ""
    """Who claimed it last."""
    asked: bool = False
    """Whether cancel was asked of who runs it."""
    ended_by: str = ""
    """The output it ended with."""
    pushed: bool = False
    """Whether its webhook is in the outbox."""
    cut: bool = False
    """Whether its result was deleted."""

    @property
    def over(self) -> bool:
        """Whether it ended."""
        return self.status in jobs.TERMINAL


def claimed(was: State, by: str) -> tuple[State, object]:
    """A worker wants to start it."""
    if was.status is None:
        return State(jobs.Status.RUNNING, 1, by), protocol.Verdict.RUN
    if was.over:
        return was._replace(pushed=True), protocol.Verdict.DONE
    if was.status is jobs.Status.RUNNING and was.by == by:
        return was, protocol.Verdict.RUN
    if was.asked:
        return was._replace(status=jobs.Status.CANCELED, pushed=True), protocol.Verdict.CANCELED
    if was.starts == records.MAX_STARTS:
        return was._replace(status=jobs.Status.FAILED, pushed=True), protocol.Verdict.EXHAUSTED
    return was._replace(status=jobs.Status.RUNNING, starts=was.starts + 1, by=by), protocol.Verdict.RUN


def finished(was: State, by: str) -> tuple[State, object]:
    """A worker has its answer."""
    if was.status is jobs.Status.RUNNING and was.by == by:
        return was._replace(status=jobs.Status.SUCCEEDED, ended_by=by, pushed=True), True
    return was, was.ended_by == by and not was.cut  # True: this very end, sent again


def given_back(was: State, by: str, *, charged: bool) -> tuple[State, object]:
    """A worker lets it wait."""
    if was.by == by and was.status is jobs.Status.RUNNING:
        return was._replace(status=jobs.Status.QUEUED, starts=was.starts - (not charged)), True
    return was, was.by == by and was.status is jobs.Status.QUEUED


def canceled(was: State) -> tuple[State, object]:
    """A client wants it no more."""
    if was.status in {None, jobs.Status.QUEUED}:
        was = was._replace(status=jobs.Status.CANCELED)
    elif was.status is jobs.Status.RUNNING:
        was = was._replace(asked=True)
    return was, was.status


def expected(was: State, call: str) -> tuple[State, object]:
    """What a call makes of the job, and what it answers."""
    does, _, by = call.partition(" ")
    if does == "claim":
        return claimed(was, by)
    if does == "finish":
        return finished(was, by)
    if does == "cancel":
        return canceled(was)
    if does == "delete":
        return was._replace(cut=was.over, pushed=was.pushed and not was.over), was.over
    return given_back(was, by, charged=does == "charge")


async def done(kept: protocol.Store, model: str, job_id: str, call: str) -> object:
    """The call itself, and what it answers."""
    does, _, by = call.partition(" ")
    if does == "claim":
        return (await kept.claim(A, model, [request(job_id, by, hook=HOOK)], now_ms=now()))[0].verdict
    if does == "finish":
        ended = end(job_id, by, output=b'"%b"' % by.encode(), completed_at=WHEN, hook=HOOK)
        return (await kept.finish(A, model, [ended]))[0]
    if does == "cancel":
        return (await kept.cancel(A, model, job_id, created_at=now(), now_ms=now(), ttl_ms=60_000)).status
    if does == "delete":
        was = await kept.delete(A, model, job_id, now_ms=now())
        return was is not None and was.terminal
    if does == "release":
        return (await kept.release(A, model, [protocol.Release(id=job_id, token=token(by))], now_ms=now()))[0]
    waiting = protocol.Postponed(id=job_id, token=token(by), details=records.Details(), charged=does == "charge")
    return (await kept.postpone(A, model, [waiting], now_ms=now()))[0]


WHEN: Final = now()


async def follow(kept: protocol.Store, over: link.Link | None, model: str, job_id: str, calls: list[str]) -> None:
    """Make calls one after the other; each must leave what the table says."""
    state, first = State(), None
    for place, call in enumerate(calls):
        pushed, (state, answer) = state.pushed, expected(state, call)
        told = " → ".join(calls[: place + 1])
        assert await done(kept, model, job_id, call) == answer, told
        found = await kept.fetch(A, model, job_id)
        if state.status is None:
            assert found is None, told
            continue
        assert found is not None, told
        assert (found.status, found.starts, found.terminal) == (state.status, state.starts, state.over), told
        if state.over:
            first = first or (found.status, found.completed_at, found.starts)
            assert first == (found.status, found.completed_at, found.starts), f"an end was written over: {told}"
            output = b'"%b"' % state.ended_by.encode() if state.ended_by and not state.cut else None
            assert found.output == output, told
        if over is not None:
            delivery = keys.delivery(A, model, job_id)
            assert await over.call("EXISTS", delivery) == int(state.pushed), told
            if pushed and state.pushed:
                assert await over.call("HGET", delivery, "state") == b"seen", f"pushed anew: {told}"
            elif state.pushed:
                await over.call("HSET", delivery, "state", "seen")
            due = await over.call("ZSCORE", keys.due(A, model), job_id)
            assert (due is not None) == state.pushed, told


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("first", CALLS)
async def test_every_order_of_three_calls(
    kept: protocol.Store, model: str, valkey: stack_valkey.Valkey, before: str, first: str
) -> None:
    """One end, the first; starts counted once; no end of who lost its claim; at most one push a job.

    Catches each check that a script makes of the token, the status, the starts or the cancel mark, taken away.
    """
    over = None
    if isinstance(kept, store.Store):
        over = link.Link(settings.Connections(redis=valkey.url_with_password))
    try:
        orders = itertools.product([first], CALLS, CALLS)
        await asyncio.gather(
            *[follow(kept, over, model, f"j{number}", [*BEFORE[before], *order]) for number, order in enumerate(orders)]
        )
    finally:
        if over is not None:
            await over.aclose()
