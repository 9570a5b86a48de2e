"""The tables of a job's way."""

import dataclasses
import pathlib
import re

from benchmarks import load
from benchmarks.travel import meter, page, steps, whole

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "how-a-job-travels.md"
SIZES = (1, 20, 64)


def _step(name: str, **costs: float) -> meter.Step:
    return meter.Step(name=name, costs=dict.fromkeys(SIZES, costs), alone_ms=1.5)


def _whole(rate: float, **cpu: float) -> whole.Whole:
    roles = dict.fromkeys(page.ROLES, 0.0) | cpu
    outcome = load.Outcome(
        seconds=1.0, jobs=int(rate), took=[0.004], looks=0, wrong=0, example="", machine=0.0,
        cpu={role: micros * rate / 1e6 for role, micros in roles.items()},
    )  # fmt: skip
    return whole.Whole(outcome=outcome, batch=1.0, record=1.0)


def _found() -> page.Found:
    way = steps.Way(
        sizes=SIZES,
        steps=(_step("produce", api=10.0, kafka=20.0), _step("fetch", worker=5.0)),
        reading=(_step("get", api=3.0),),
        commit={"worker": 100.0, "kafka": 300.0},
    )
    return page.Found(
        way=way,
        many=_whole(1000, api=50.0),
        one=_whole(100, api=50.0, kafka=40.0),
        lone=[whole.Lone(pause=0.0, spans={"predict()": 0.25}, whole=4.0, accepted=2.0, elsewhere=0.0)],
        idle={"kafka": 0.001},
    )


def test_what_is_not_explained_is_the_whole_less_the_steps_and_what_runs_anyway() -> None:
    one_user = page.parts(_found())["whole"].partition("64 users")[0]

    # a commit is shared by the 100 jobs of its second; a thousandth of a core is 10 µs for each of 100 jobs
    assert "| api | 10.0 | 0.0 | 50.0 | 40.0 |" in one_user
    assert "| kafka | 23.0 | 10.0 | 40.0 | 7.0 |" in one_user


def test_a_librarys_thread_is_its_process_s_cost() -> None:
    found = _found()
    costs = {"api": 10.0, "api, the library's thread": 7.0}
    way = dataclasses.replace(found.way, steps=(_step("produce", **costs),))

    text = page.parts(dataclasses.replace(found, way=way, idle={}))["whole"]

    assert "| api | 17.0 |" in text


def test_what_a_batch_costs_is_told_from_what_a_job_in_it_adds() -> None:
    costs = {size: {"worker": 400.0 / size + 3.0} for size in SIZES}
    way = dataclasses.replace(_found().way, steps=(meter.Step(name="fetch", costs=costs),))

    text = page.parts(dataclasses.replace(_found(), way=way))["cpu"]

    assert "| worker | 400 | 3.0 |" in text


def test_the_page_has_a_place_for_every_table() -> None:
    places = re.findall(r"<!-- (\w+) -->", PAGE.read_text(encoding="utf-8"))

    assert places == list(page.parts(_found()))
