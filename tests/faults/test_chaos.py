"""Everything at once: clients of every way in, bad inputs, cancels and deadlines, and processes that are killed and
stopped by a seed's schedule; then the checker reads the history.

`make test` runs a short one. `make faults` runs 100,000 jobs; JOBS and SEED set another number and the seed of a run
that is to be told again: `make faults JOBS=5000 SEED=17 TESTS=tests/faults/test_chaos.py`.
"""

import os
import pathlib
import random
from collections import Counter

import pytest

from tests.faults import checker, installation, lives, load, models, schedule

JOBS = int(os.environ.get("PANINI_FAULTS_JOBS") or 1500)
SEED = int(os.environ.get("PANINI_FAULTS_SEED") or random.SystemRandom().randrange(10**6))
FAULTS = 10 + JOBS // 4000


@pytest.mark.timeout(3600)
def test_no_promise_is_broken_whatever_dies(at: installation.Installation, tmp_path: pathlib.Path) -> None:
    """Catches every line whose removal loses, doubles, swaps or delays an answer when a process dies at that place: of
    Pipeline._conclude (the ack comes last), offsets.Partition.committable, claim.lua and finish.lua (token, starts,
    deadline, cancel), bisect.split, Acceptor._job_id (a 503's id), and the deliverer's lease."""
    print(f"seed {SEED}, {JOBS} jobs, {FAULTS} faults")
    # Given two workers and two APIs
    run = load.Run(at, "chaos", schedule.jobs(SEED, JOBS))
    run.deploy()
    # When everything is sent while processes die
    run.go(schedule.steps(SEED, JOBS, FAULTS))
    # Then every promise is kept
    path = tmp_path / "history.jsonl"
    run.kept.write(path)
    found = checker.check(run.kept, repeats=models.REPEATS)
    book = lives.of(run.kept)
    ends = Counter(life.end.status if life.end else "none" for life in book.lives.values())
    starts = Counter(life.end.attempt for life in book.lives.values() if life.end)
    print(f"ends {dict(ends)}, starts {dict(starts)}, {len(book.faults)} faults, {len(run.kept)} events")
    assert [str(one) for one in found[:20]] == [], f"{len(found)} in {path}, seed {SEED}"
    assert len(book.lives) >= JOBS
    # ... and the run was one that could have broken them
    assert {one.whom for one in book.faults} >= {"worker", "runner", "ingest", "results"}
    assert ends["succeeded"] > JOBS / 2
    assert ends["failed"]
