"""Two lanes: what a bulk set of 100,000 jobs costs interactive jobs, and what interactive jobs cost it.

    python -m benchmarks.lanes [--only paced|iris] [--lines 100000] [--dry]

A stack of its own, from an empty folder, one worker, for each of two models: `paced` (benchmarks/models: 5 ms a batch
and 0.2 ms an input, so that one batch is a known time) and iris (20 us an input: there the machine's cores are what
lanes compete for). Waiting POSTs, one every 50 ms whatever happens, and one user who goes on at once; without bulk,
while a set is being sent, and while it runs. What one batch takes is what the job records of the set say. Then a flood:
200 users with four keys, so that interactive jobs always wait, while a set runs. Every answer is checked.

Writes a table into docs/performance.md. Exit code 1: an answer was wrong.
"""

import argparse
import asyncio
import dataclasses
import datetime as dt
import itertools
import json
import math
import pathlib
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx
import uvloop

from benchmarks import client, inputs, load, local, scenarios, servers, subjects, tables, targets, users
from results import keys, link

RATE: Final = 20.0
"""Interactive jobs a second."""
USERS: Final = {"20 jobs/s": 0, "one user": 1}
"""Users of a closed loop; 0: the open loop."""
FASTEST: Final = 8000
"""Jobs a second for which a flood's inputs are made beforehand."""
DOCS: Final = pathlib.Path(__file__).resolve().parent.parent / "docs"
FLOOD_KEYS: Final = 4
FLOOD_USERS: Final = 50
"""Of each key: far below what moves a key's further jobs to the bulk lane."""
ALONE: Final = 8.0
"""Seconds of interactive jobs without bulk."""
BEFORE: Final = 1.0
"""Seconds of interactive jobs before a set is sent."""
TIMEOUT: Final = 300.0
"""Seconds that a set may take."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """One interactive job, as its user saw it and as its record tells."""

    began: float
    """Unix seconds."""
    took: float
    """Seconds until its answer."""
    queued_ms: float
    batch_ms: float
    """Milliseconds between its claim and the runner: behind other batches."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sent:
    """A set that was accepted."""

    items: list[inputs.Item]
    at: float
    """Unix seconds of its POST."""
    accepted: float
    """And of its 202."""
    results: str
    """Where its results are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """A set that ended."""

    sent: float
    """Unix seconds of its POST; `accepted` of its 202."""
    accepted: float
    ends: Sequence[float]
    """When each of its jobs ended, Unix seconds, sorted."""
    predict_ms: Sequence[float]
    """What the batch of each took in the runner, sorted."""
    size: float
    """Jobs of a batch, in the middle."""
    wrong: int

    def rate(self, begin: float, end: float) -> float:
        """Jobs a second that ended between two moments."""
        return sum(begin <= one < end for one in self.ends) / max(end - begin, 1e-9)


@dataclasses.dataclass
class Found:
    """What was measured with one model."""

    latency: dict[str, list[Seen]] = dataclasses.field(default_factory=dict)
    rates: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    """Bulk's done/s and interactive done/s, by what ran beside."""
    sets: list[Ran] = dataclasses.field(default_factory=list)
    elsewhere: list[float] = dataclasses.field(default_factory=list)
    wrong: int = 0


def watched(seen: list[Seen]) -> users.Act:
    """A waiting POST whose record is looked at."""

    def act(target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
        moment = time.time()
        body = targets.ended((yield target.post(item.text, wait=users.WAIT)))
        if body is None:
            raise targets.Unexpected(f"a job took longer than {users.WAIT} s")
        log.finished(began, item, body)
        spent = json.loads(body)["timings"]
        seen.append(
            Seen(
                began=moment, took=log.took[-1], queued_ms=spent["queued_ms"] or 0.0, batch_ms=spent["batch_ms"] or 0.0
            )
        )

    return act


class Bench:
    """One model's stack under both kinds of load."""

    def __init__(self, system: local.Panini, lines: int) -> None:
        self.system = system
        self.lines = lines
        self.found = Found()
        self._numbers = itertools.count()

    async def measure(self) -> Found:
        """Everything, in order."""
        ran = await self._alone()
        self.found.rates["nothing"] = (ran.rate(ran.accepted, ran.ends[-1]), 0.0)
        spell = ran.ends[-1] - ran.sent + 2 * BEFORE  # what comes after the set's end is not counted
        for name, count in USERS.items():
            self.found.latency[f"{name}, no bulk"] = await self._interactive(count, ALONE)
            pouring = asyncio.create_task(self._interactive(count, BEFORE + spell))
            await asyncio.sleep(BEFORE)
            sent = await asyncio.to_thread(self._send)
            seen = await pouring
            self._sort(name, seen, await asyncio.to_thread(self._ended, sent))
        await self._flood(max(1.0, (ran.ends[-1] - ran.accepted) / 2))
        return self.found

    def _sort(self, name: str, seen: list[Seen], ran: Ran) -> None:
        sending = [one for one in seen if ran.sent <= one.began < ran.accepted]
        running = [one for one in seen if ran.accepted <= one.began and one.began + one.took < ran.ends[-1]]
        self.found.latency[f"{name}, a set is sent"] = sending
        self.found.latency[f"{name}, a set runs"] = running
        end = max((one.began + one.took for one in running), default=ran.accepted)
        rate = len(running) / max(end - ran.accepted, 1e-9)
        if running:
            self.found.rates[name] = (ran.rate(ran.accepted, end), rate)

    async def _interactive(self, count: int, seconds: float) -> list[Seen]:
        seen: list[Seen] = []
        items = self._items(int(1000 * seconds) if count else int(RATE * seconds) + 1)
        spell, target, roles = load.Spell(warm=0.0, measured=seconds), self.system.target(), self.system.roles()
        if count:
            outcome = await load.closed(count, watched(seen), target, items, roles=roles, spell=spell)
        else:
            outcome = await load.opened(RATE, watched(seen), target, items, roles=roles, spell=spell)
        self._note(outcome)
        return seen

    async def _flood(self, seconds: float) -> None:
        """Users of several keys who never pause, while a set runs that was sent before."""
        spell = load.Spell(warm=BEFORE, measured=seconds)
        made = await asyncio.to_thread(self._targets)
        many = int(FASTEST / FLOOD_KEYS * (seconds + BEFORE))
        items = [self._items(many) for _ in made]
        sent = await asyncio.to_thread(self._send)
        pouring = [
            asyncio.create_task(load.closed(FLOOD_USERS, users.wait, target, own, roles=[], spell=spell))
            for target, own in zip(made, items, strict=True)
        ]
        begin = time.time() + BEFORE
        outcomes = await asyncio.gather(*pouring)
        end = begin + seconds
        ran = await asyncio.to_thread(self._ended, sent)
        self.found.rates["a flood"] = (ran.rate(begin, min(end, ran.ends[-1])), sum(one.rate for one in outcomes))
        self.found.wrong += sum(one.wrong for one in outcomes)

    # -- sets --------------------------------------------------------------------------------------------------

    def _send(self) -> Sent:
        items = list(itertools.islice(self._items(self.lines), self.lines))
        body = "".join(f'{{"input":{item.text}}}\n' for item in items).encode("ascii")
        began = time.time()
        answer = self._api("POST", f"/v1/models/{self.system.subject.name}/bulk", content=body)
        if answer.status_code != 202 or answer.json()["accepted"] != self.lines:
            raise servers.Failed(f"the set was not accepted: {answer.status_code} {answer.text[:500]}")
        return Sent(items=items, at=began, accepted=time.time(), results=answer.json()["urls"]["results"])

    async def _alone(self) -> Ran:
        """A set beside which nothing runs. The API is not asked for its end: it would have its share of the work."""
        over, index = link.Link(self.system.stack.connections()), keys.index("default", self.system.subject.name)
        try:
            before = int(await over.call("ZCARD", index))
            sent = await asyncio.to_thread(self._send)
            until = time.monotonic() + TIMEOUT
            while int(await over.call("ZCARD", index)) < before + self.lines:
                if time.monotonic() > until:
                    raise servers.Failed(f"a set was not done within {TIMEOUT:g} s")
                await asyncio.sleep(0.2)
        finally:
            await over.aclose()
        return await asyncio.to_thread(self._ended, sent)

    def _ended(self, sent: Sent) -> Ran:
        """Wait for a set's end; every answer is looked at."""
        answer = self._api("GET", sent.results, params={"lines": self.lines, "wait": TIMEOUT})
        found = [json.loads(line) for line in answer.content.splitlines()]
        if len(found) != self.lines or not all(job.get("completed_at") for job in found):
            raise servers.Failed(f"a set was not done within {TIMEOUT:g} s: {answer.text[:300]}")
        pairs = zip(sent.items, answer.content.splitlines(), strict=True)
        ran = Ran(
            sent=sent.at,
            accepted=sent.accepted,
            ends=sorted(dt.datetime.fromisoformat(job["completed_at"]).timestamp() for job in found),
            predict_ms=sorted(job["timings"]["predict_ms"] for job in found),
            size=statistics.median(job["timings"]["batch_size"] for job in found),
            wrong=sum(not item.right(line) for item, line in pairs),
        )
        self.found.sets.append(ran)
        self.found.wrong += ran.wrong
        return ran

    def _api(self, method: str, path: str, **words: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.system.stack.key}", "Content-Type": "application/x-ndjson"}
        with httpx.Client(base_url=self.system.stack.url, trust_env=False, timeout=TIMEOUT + 10) as http:
            return http.request(method, path, headers=headers, **words)

    def _targets(self) -> list[targets.Target]:
        """The model, asked with keys of their own."""
        made = [self._api("POST", "/v1/keys").json()["key"] for _ in range(FLOOD_KEYS)]
        whole = self.system.target()
        return [dataclasses.replace(whole, headers=f"Authorization: Bearer {key}\r\n") for key in made]

    def _items(self, count: int) -> Iterator[inputs.Item]:
        return self.system.subject.items(f"{time.time_ns():x}/{next(self._numbers)}", count)

    def _note(self, outcome: load.Outcome) -> None:
        self.found.wrong += outcome.wrong
        self.found.elsewhere.append(outcome.elsewhere)


def markdown(name: str, found: Found) -> str:
    """Both tables of a model."""
    batches = sorted(one for ran in found.sets for one in ran.predict_ms)
    lines = []
    for users_name in USERS:
        before = found.latency[f"{users_name}, no bulk"]
        for title in ("no bulk", "a set is sent", "a set runs"):
            seen = found.latency[f"{users_name}, {title}"]
            if not seen:
                continue  # it was over too soon
            took = sorted(1000 * one.took for one in seen)
            behind = sorted(one.batch_ms for one in seen)
            more = load.quantile(took, 0.5) - load.quantile(sorted(1000 * one.took for one in before), 0.5)
            cells = [load.quantile(took, 0.5), load.quantile(took, 0.99), max(took, default=math.nan), more]
            cells += [load.quantile(behind, 0.5), load.quantile(behind, 0.99), max(behind, default=math.nan)]
            lines.append([name, users_name, title, len(seen), *(tables.number(cell) for cell in cells)])
    head = ["model", "interactive", "beside", "jobs", "p50 ms", "p99 ms", "longest ms", "p50 more than without bulk"]
    head += ["behind another batch: p50 ms", "p99 ms", "longest ms"]
    beside = [
        [
            name,
            title,
            tables.number(bulk),
            tables.number(bulk / found.rates["nothing"][0], 2),
            tables.number(interactive),
        ]
        for title, (bulk, interactive) in found.rates.items()
    ]
    size = statistics.median(ran.size for ran in found.sets)
    ones = [load.quantile(batches, 0.5), load.quantile(batches, 0.99), batches[-1]]
    said = (
        f"**{name}**: a bulk batch is {size:.0f} jobs and takes {tables.number(ones[0])} ms in the middle, "
        f"{tables.number(ones[1])} at the 99th percentile, {tables.number(ones[2])} at most, say the records of "
        f"{len(batches):,} bulk jobs. Other programs took {statistics.median(found.elsewhere):.2f} cores."
    )
    shares = tables.table(["model", "beside bulk", "bulk done/s", "of bulk alone", "interactive jobs/s"], beside)
    return "\n\n".join((said, tables.table(head, lines), shares))


async def main(given: argparse.Namespace) -> int:
    """Measure, print, write; the exit code."""
    wrong = 0
    for subject in (subjects.Paced(), subjects.Iris()):
        if given.only and subject.name not in given.only:
            continue
        with tempfile.TemporaryDirectory(prefix="panini-bench-") as folder:
            system = local.Panini(pathlib.Path(folder), subject)
            try:
                await asyncio.to_thread(system.start)
                await scenarios.ready(system, "lanes")
                found = await Bench(system, given.lines).measure()
            finally:
                await asyncio.to_thread(system.close)
        text = markdown(subject.name, found)
        print(text, flush=True)
        wrong += found.wrong
        if not given.dry:
            await asyncio.to_thread(tables.insert, DOCS / "performance.md", f"lanes-{subject.name}", text)
    return int(wrong > 0)


def command() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lanes", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=["paced", "iris"], help="this model")
    parser.add_argument("--lines", type=int, default=100_000, help="jobs of a bulk set; default 100,000")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    return uvloop.run(main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(command())
