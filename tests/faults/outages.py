"""An engine away for a while under load: nothing lost, nothing twice, no busy loop, everything answered after."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from benchmarks import usage
from panini.stack import pidfile
from tests.e2e import kit

USERS: Final = 4
PAUSE: Final = 0.2
"""Seconds between two jobs of a user."""

BUSY: Final = 0.5
"""Cores that a process of ours may take while an engine is away and jobs go on coming: a busy loop takes a whole."""

START: Final = 5.0
"""CPU seconds that a process takes to start, its runner included, where it was replaced meanwhile."""


class Load:
    """Users who each post one job after the other, and post again with its id what was refused."""

    def __init__(self, stack: kit.Stack, model: str) -> None:
        self._stack = stack
        self._model = model
        self._going = threading.Event()
        self._users = [threading.Thread(target=self._user, args=(number,)) for number in range(USERS)]
        self.accepted: dict[str, int] = {}
        """Job ids → inputs."""
        self.refused = 0
        self.odd: list[str] = []
        """Answers that are neither 202 nor 503 with an id."""

    def __enter__(self) -> "Load":
        for user in self._users:
            user.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._going.set()
        for user in self._users:
            user.join()

    def _user(self, number: int) -> None:
        with self._stack.http() as http:
            for value in range(number * 1_000_000, (number + 1) * 1_000_000):
                if self._going.wait(PAUSE):
                    return
                self._post(http, {"input": value})

    def _post(self, http: httpx.Client, body: dict[str, Any]) -> None:
        while True:  # also after the end: what was refused is posted until it is taken
            answer = http.post(f"/v1/models/{self._model}/jobs", json=body)
            found = answer.json()
            if answer.status_code == 202:
                self.accepted[found["id"]] = body["input"]
                return
            if answer.status_code != 503 or "id" not in found:
                self.odd.append(answer.text)
                return
            self.refused += 1
            body["id"] = found["id"]
            time.sleep(PAUSE)  # as its Retry-After says


@contextlib.contextmanager
def away(stack: kit.Stack, engine: str, how: str) -> Iterator[None]:
    """The engine hangs, or is killed whenever it comes back, until the block ends."""
    if how == "hangs":
        with kit.hanging(stack.pid(engine)):
            yield
        return
    over = threading.Event()
    path = stack.home / "run" / f"{engine}.json"

    def keep_down() -> None:
        while not over.wait(0.1):
            pid = pidfile.running(path)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    keeping = threading.Thread(target=keep_down)
    stack.kill(engine)
    keeping.start()
    try:
        yield
    finally:
        over.set()
        keeping.join()


def spent(stack: kit.Stack, model: str) -> dict[tuple[str, int], float]:
    """CPU seconds of the API and of the model's workers, each with its runners, by name and process id."""
    found: dict[tuple[str, int], float] = {}
    for path in (stack.home / "run").glob("*.json"):
        name = path.name.removesuffix(".json")
        pid = pidfile.running(path)
        if pid is not None and (name == "api" or name.startswith(f"worker.default.{model}.")):
            found[name, pid] = usage.cpu([usage.Role(name=name, roots=(pid,))])[name]
    return found


def check(stack: kit.Stack, engine: str, how: str, *, seconds: float) -> None:
    """Let it be away for so long under load, and check all that is promised."""
    model = stack.deploy(kit.logging_model(), name=f"{engine}-{how}-{seconds:g}")
    with stack.http() as http:
        http.post(f"/v1/models/{model}/predict", json={"input": -1}).raise_for_status()
    with Load(stack, model) as load:
        kit.until(lambda: len(load.accepted) > 3 * USERS, "jobs go through")
        # When it is away
        with away(stack, engine, how):
            before, began = spent(stack, model), time.monotonic()
            time.sleep(seconds)  # the length of the outage is what this is about
            after, length = spent(stack, model), time.monotonic() - began
        kit.until(lambda: len(load.accepted) > 0 and _goes(load), "jobs go through again", within=90)
    # Then whoever asked was told the truth
    assert load.odd == []
    assert (load.refused > 0) == (engine == "kafka")
    # ... nobody was busy waiting
    for (name, pid), used in after.items():
        allowed = BUSY * length + (0 if (name, pid) in before else START)
        assert used - before.get((name, pid), 0.0) < allowed, f"{name} used {used:.1f} CPU seconds in {length:.0f} s"
    # ... every accepted job ended, and ran no more often than was charged
    with stack.http() as http:
        attempts = {value: _answer(http, job_id, value) for job_id, value in load.accepted.items()}
    ran = kit.seen(stack, model)
    assert set(ran) == {-1, *attempts}
    for value, attempt in attempts.items():
        assert 1 <= ran.count(value) <= attempt
    kit.until(lambda: stack.unread(model) == 0, "everything is acknowledged")


def _goes(load: Load) -> bool:
    """Whether another job is taken from now on."""
    count = len(load.accepted)
    return bool(kit.until(lambda: len(load.accepted) > count, "another job is taken", within=90))


def _answer(http: httpx.Client, job_id: str, value: int) -> int:
    """The attempt that succeeded."""

    def look() -> dict[str, Any] | None:
        answer = http.get(f"/v1/jobs/{job_id}")
        return answer.json() if answer.status_code == 200 and answer.json()["completed_at"] else None

    found = kit.until(look, f"job {job_id} ended", within=120)
    assert (found["status"], found["output"]) == ("succeeded", 2 * value), found
    attempt: int = found["attempt"]
    return attempt
