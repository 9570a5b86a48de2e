"""What waits in a worker's memory: a bounded queue for each lane, and the gate that bulk batches go through.

Each way into the worker is bounded by itself, so that a bulk backlog neither fills the memory nor keeps the source from
fetching interactive jobs; jobs that come from being parked have waited already, so they go first in their lane.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

from workers import jobs, lanes, tickets

LOOK: Final = 1.0
"""Seconds between looks at the deadlines of jobs that wait."""

SHORT: Final = 5.0
"""Milliseconds of predict() a batch up to which more batches may be on their way: claiming and storing take as long."""
LULL: Final = 0.01
"""Seconds since the last batch came back after which predict() is short no longer, whatever that batch took."""

_PARKED: Final = "parked"


class Places:
    """How many batches may be between claim and finish: `few`, and one less than that more while predict() is short.

    What is claimed runs here. Of a slow model each batch more is one that no other worker can have, and that a
    rebalance waits for; of a fast one it is what keeps the runner busy while others are claimed and stored. A batch
    that is unlike those before it, or ended its runner, is found out while it runs: nothing has come back for LULL.
    """

    def __init__(self, few: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._few = few
        self._clock = clock
        self._taken = 0
        self._short_until = -math.inf
        self._free = asyncio.Event()

    async def acquire(self) -> None:
        """Take a place, as soon as there is one. For one task at a time."""
        while self._taken >= self._most():
            self._free.clear()
            await self._free.wait()
        self._taken += 1

    def release(self) -> None:
        """Give one back."""
        self._taken -= 1
        self._free.set()

    def predicted(self, milliseconds: float) -> None:
        """A batch came back; its predict() took so long. 0: its runner ended, or it never ran."""
        short = 0 < milliseconds <= SHORT
        self._short_until = self._clock() + LULL if short else -math.inf
        self._free.set()

    def _most(self) -> int:
        return 2 * self._few - 1 if self._clock() < self._short_until else self._few


class Queue:
    """The jobs of one lane that have not been taken."""

    def __init__(self, places: int) -> None:
        self.jobs: deque[jobs.Job] = deque()
        self.places = Places(places)
        self._arrived = asyncio.Event()

    def put(self, arrived: Iterable[jobs.Job]) -> None:
        """Add jobs at the end."""
        self.jobs.extend(arrived)
        self._arrived.set()

    def put_first(self, arrived: Sequence[jobs.Job]) -> None:
        """Add jobs, in their order, before all others."""
        self.jobs.extendleft(reversed(arrived))
        self._arrived.set()

    async def some(self) -> None:
        """Return when there is a job."""
        while not self.jobs:
            self._arrived.clear()
            await self._arrived.wait()


class _Bound:
    """Whether one way into the memory is open: it closes when full, and opens again when half of it is gone."""

    __slots__ = ("count", "most", "open")

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0
        self.open = True

    def changed(self, by: int) -> None:
        self.count += by
        if self.count >= self.most:
            self.open = False
        elif self.count <= self.most // 2:
            self.open = True


class Way:
    """A batch's way from its queue through the runner; an interactive one holds bulk back until it has left that."""

    __slots__ = ("_passed", "lane", "visits")

    def __init__(self, lane: lanes.Lane, passed: Callable[[], None] | None = None) -> None:
        self.lane = lane
        self.visits = 1
        """Of the runner that are to come: more where its jobs turn out to be of several versions."""
        self._passed = passed

    def visited(self) -> None:
        """A visit is over."""
        self.visits -= 1
        if self.visits == 0:
            self.over()

    def over(self) -> None:
        """It needs the runner no more, if it did."""
        passed, self._passed = self._passed, None
        if passed is not None:
            passed()


class Waiting:
    """The queues of a model, what of its topics may be fetched, and whose turn it is."""

    def __init__(self, *, most: int, places: int) -> None:
        self.queues = {lane: Queue(places) for lane in lanes.Lane}
        self._bounds = {way: _Bound(most) for way in (*lanes.Lane, _PARKED)}
        self._turns = lanes.Turns()
        self._turn = asyncio.Event()
        self._openings: set[asyncio.Future[None]] = set()
        self._interactive_at = -math.inf
        """When the last interactive jobs came, monotonic seconds."""

    def __len__(self) -> int:
        return sum(len(queue.jobs) for queue in self.queues.values())

    # -- in and out --------------------------------------------------------------------------------------------

    def arrived(self, fetched: Sequence[jobs.Job]) -> None:
        """Queue the jobs of fetched records."""
        found: dict[tuple[lanes.Lane, bool], list[jobs.Job]] = {}
        for job in fetched:
            found.setdefault((job.lane, job.parked), []).append(job)
        for (lane, parked), some in found.items():
            if lane is lanes.Lane.INTERACTIVE:
                self._interactive_at = time.monotonic()
            self._bounds[_PARKED if parked else lane].changed(len(some))
            put = self.queues[lane].put_first if parked else self.queues[lane].put
            put(some)

    def overdue(self, now: int) -> dict[lanes.Lane, list[jobs.Job]]:
        """Take the jobs whose deadline or maximum age has passed at `now` (Unix ms), whatever stands before them."""
        found = {}
        for lane, queue in self.queues.items():
            late = [job for job in queue.jobs if job.deadline < now]
            if late:
                left = [job for job in queue.jobs if job.deadline >= now]
                queue.jobs.clear()
                queue.jobs.extend(left)
                self.taken(late)
                found[lane] = late
        return found

    def back(self, again: Sequence[jobs.Job]) -> None:
        """Queue jobs once more that had been taken, before all others."""
        for job in again:
            self._bounds[_PARKED if job.parked else job.lane].changed(1)
        for lane, queue in self.queues.items():
            queue.put_first([job for job in again if job.lane is lane])

    def taken(self, batch: Sequence[jobs.Job]) -> None:
        """A batch left its queue."""
        parked = sum([job.parked for job in batch])
        if parked:
            self._leave(_PARKED, parked)
        self._leave(batch[0].lane, len(batch) - parked)

    def clear(self) -> None:
        """Forget all that waits."""
        for queue in self.queues.values():
            queue.jobs.clear()
        for way, bound in self._bounds.items():
            self._leave(way, bound.count)
        self._turn.set()

    def _leave(self, way: str, count: int) -> None:
        bound = self._bounds[way]
        was = bound.open
        bound.changed(-count)
        if bound.open and not was:
            for opening in self._openings:
                if not opening.done():
                    opening.set_result(None)
            self._openings.clear()

    # -- the source's side -------------------------------------------------------------------------------------

    def room(self, topic: str, account: str, model: str) -> int:
        """How many jobs of that topic there is room for; 0: none."""
        way: str = lanes.of_topic(topic, account, model)
        if tickets.tier_of(topic, account, model) is not None:
            way = _PARKED
        bound = self._bounds[way]
        return bound.most - bound.count if bound.open else 0

    def opened(self) -> "asyncio.Future[None]":
        """Done when something that has no room now has some: nothing that happens after the call is missed."""
        opening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)
        return opening

    def within(self, lane: lanes.Lane) -> float:
        """Seconds that the lane's next batch should take at most."""
        beside = lane is lanes.Lane.BULK and time.monotonic() - self._interactive_at < lanes.LATELY
        return lanes.BESIDE if beside else math.inf

    # -- the runner's side -------------------------------------------------------------------------------------

    def began(self, lane: lanes.Lane) -> Way:
        """A batch was taken from that lane's queue."""
        if lane is lanes.Lane.BULK:
            return Way(lane)
        self._turns.interactive_began()
        self._turn.set()  # it may have been the one after which bulk has its turn
        return Way(lane, self._passed)

    def ended(self, way: Way, _: "asyncio.Task[None]") -> None:
        """That batch is over, and with it the task that was its."""
        way.over()
        self.queues[way.lane].places.release()

    def _passed(self) -> None:
        self._turns.interactive_ended()
        self._turn.set()

    @contextlib.asynccontextmanager
    async def turn(self, way: Way) -> AsyncIterator[None]:
        """Around a batch in the runner: an interactive one enters at once."""
        lane = way.lane
        if lane is lanes.Lane.INTERACTIVE:
            try:
                yield
            finally:
                way.visited()
            return
        while not self._turns.bulk_may(waiting=bool(self.queues[lanes.Lane.INTERACTIVE].jobs)):
            self._turn.clear()
            await self._turn.wait()
        self._turns.bulk_began()
        began = time.monotonic()
        try:
            yield
        finally:
            self._turns.bulk_ended(time.monotonic() - began)
            self._turn.set()
