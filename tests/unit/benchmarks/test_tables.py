"""Medians, ratios, and what is written into the page."""

import json
import math
import pathlib

from benchmarks import compare, extras, load, report, tables


def _rounds(*rates: float) -> list[tables.Figures]:
    return [
        {"rate": rate, "p50_ms": 1000 / rate, "p99_ms": 2000 / rate, "looks": 1.0, "wrong": 0.0, "elsewhere": 0.1}
        | {"cpu_us.api": 100.0, "cpu_us.client": 50.0}
        for rate in rates
    ]


def test_ratios_are_taken_round_by_round() -> None:
    # Given a machine that was slow for all in the second round
    mine, theirs = _rounds(600, 60, 660), _rounds(100, 10, 100)

    assert tables.paired(mine, theirs, "rate") == 6.0
    assert math.isnan(tables.paired(mine, [], "rate"))


def test_the_client_is_no_part_of_a_systems_cost() -> None:
    assert tables.cost(_rounds(1)[0]) == 0.1


def test_quantiles_are_ranks_of_what_was_seen() -> None:
    ordered = [float(number) for number in range(100)]

    assert load.quantile(ordered, 0.5) == 50
    assert load.quantile(ordered, 0.99) == 99
    assert math.isnan(load.quantile([], 0.5))


def test_a_comparison_names_what_was_compared_and_what_failed() -> None:
    found = compare.Found(
        rounds={
            "Panini": {"poll64": _rounds(600), "wait64": _rounds(900)},
            "taskiq": {"poll64": _rounds(100)},
            "FastAPI": {"call64": _rounds(300)},
        },
        made_of={"taskiq": "two workers"},
        failures={"arq": "Failed: it ended\nwith a log"},
    )

    six, one, three = tables.times(6), tables.times(1), tables.times(3)
    assert f"| taskiq (poll against poll) | **{six}** | {one} |" in report.ratios(found)
    assert f"| FastAPI (wait against its one POST) | **{three}** |" in report.ratios(found)
    assert "600" in report.details(found)
    assert "- **arq** was left out: Failed: it ended" in report.made_of(found)


def test_extras_of_which_nothing_was_measured_say_so() -> None:
    text = extras.markdown(extras.Found(failures=["backlog: no worker runs\nits log"]))

    assert "Not measured: backlog: no worker runs" in text


def test_a_pages_part_is_replaced_and_the_rest_left(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- a -->\nold\n<!-- /a -->\n\nafter\n")

    tables.insert(page, "a", r"new \1")
    tables.insert(page, "b", "second")

    text = page.read_text()
    assert "old" not in text
    assert text.index("# Title") < text.index(r"new \1") < text.index("after") < text.index("second")


def test_figures_of_other_runs_are_kept(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "figures.json"

    tables.keep(path, "alone", {"rate": 1 / 3})
    tables.keep(path, "peers", {"rate": 2})

    assert json.loads(path.read_text()) == {"alone": {"rate": 0.3333}, "peers": {"rate": 2}}
