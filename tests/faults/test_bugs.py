"""Planted bugs: each must turn the checker red with the promise it breaks, in the scenario that a right product passes.

A checker that finds nothing proves nothing; these prove that it sees. Each docstring of tests/faults/bugs.py names the
line of the product whose removal it is.
"""

import concurrent.futures
import pathlib
from collections.abc import Iterator

import pytest

from tests.faults import bugs, checker, history, installation, models, planting, scenarios

AT_ONCE = 4
"""Scenarios told at the same time: most of each is waiting for Kafka to take a worker for lost."""


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, at: installation.Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, "concurrent.futures.Future[history.History]"]]:
    """Every scenario's history with the product as it is, and with each bug, by name; those that tests ask for."""
    trees = tmp_path_factory.mktemp("trees")
    wanted = {item.name.partition("[")[2][:-1] for item in request.session.items}

    def tell(name: str, scenario: str, tree: pathlib.Path) -> history.History:
        stage = scenarios.Stage(at, name, tree)
        scenarios.SCENARIOS[scenario](stage)
        stage.kept.write(trees / f"{name}.jsonl")
        return stage.kept

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        made = {
            name: pool.submit(tell, name, name, installation.TREE) for name in scenarios.SCENARIOS if name in wanted
        }
        made |= {
            bug.name: pool.submit(tell, f"bug-{bug.name}", bug.scenario, planting.plant(bug, trees / bug.name))
            for bug in bugs.BUGS
            if bug.name in wanted
        }
        yield made


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS)
def test_the_product_keeps_every_promise(
    told: dict[str, "concurrent.futures.Future[history.History]"], scenario: str
) -> None:
    assert [str(one) for one in checker.check(told[scenario].result(), repeats=models.REPEATS)] == []


@pytest.mark.parametrize("bug", bugs.BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(
    told: dict[str, "concurrent.futures.Future[history.History]"], bug: planting.Bug
) -> None:
    found = checker.check(told[bug.name].result(), repeats=models.REPEATS)
    assert bug.breaks in {one.promise for one in found}, [str(one) for one in found]
