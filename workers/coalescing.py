"""Identical jobs in flight run once: the first of them leads, and those behind it wait unclaimed until it is over.

A follower gets its leader's answer as its own end. Where there is none it is not the follower's fault: behind a leader
that failed, all of them run on their own; behind one that was canceled or never ran, the first of them leads. As a
follower is not claimed, a cancel or a deadline ends it as it ends any queued job.
"""

from collections.abc import Sequence

from wire import metrics
from workers import jobs, lanes


class Coalescing:
    """The leaders of one pipeline."""

    def __init__(self, *, most: int) -> None:
        """`most`: followers that wait at once; further ones run, so that memory stays bounded."""
        self._most = most
        self._leaders: dict[bytes, jobs.Job] = {}
        self._following = 0

    def leads(self, job: jobs.Job) -> bool:
        """Whether a job that was taken goes on; else it waits behind an identical one.

        Nobody interactive waits for a bulk job, which may itself have to wait for its turn.
        """
        if job.digest is None or job.given is not None or job.apart:
            return True
        leader = self._leaders.setdefault(job.digest, job)
        if leader is job or self._following >= self._most:
            return True
        if leader.lane is lanes.Lane.BULK and job.lane is lanes.Lane.INTERACTIVE:
            return True
        leader.followers = leader.followers or []
        leader.followers.append(job)
        self._following += 1
        metrics.JOBS_COALESCED.inc()
        return False

    def over(self, batch: Sequence[jobs.Job]) -> list[jobs.Job]:
        """Jobs ended, or were given back: those that waited for them, to be taken again."""
        back: list[jobs.Job] = []
        for job in batch:
            if job.digest is not None and self._leaders.get(job.digest) is job:
                del self._leaders[job.digest]
            if job.followers:
                back += _told(job, job.followers)
                job.followers = None
        self._following -= len(back)
        return back

    def overdue(self, now: int) -> list[jobs.Job]:
        """Take the followers whose deadline or maximum age has passed at `now` (Unix ms)."""
        late: list[jobs.Job] = []
        if self._following:
            for leader in self._leaders.values():
                followers = leader.followers or []
                late += [job for job in followers if job.deadline < now]
                leader.followers = [job for job in followers if job.deadline >= now]
            self._following -= len(late)
        return late

    def forget(self) -> None:
        """What waits comes again, to whoever holds its partition then."""
        for leader in self._leaders.values():
            leader.followers = None
        self._leaders.clear()  # one that is given up in the middle is never over
        self._following = 0


def _told(leader: jobs.Job, followers: list[jobs.Job]) -> list[jobs.Job]:
    """The followers of a job that is over, with what became of it."""
    failed = leader.claimed is not None and leader.answer is None and not leader.canceled
    for follower in followers:
        follower.given, follower.apart = leader.answer, failed
    return followers
