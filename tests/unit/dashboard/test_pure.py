"""The parts without a server: steps of a log, figures, inputs, snippets, events, and static files."""

import datetime as dt
import hashlib
import importlib.resources
import json

import httpx
import msgspec
import pytest

from dashboard import assets, errors, eventstream, inputs, records, shown, snippets, steps
from tests.unit.dashboard import kit

VENDORED = {
    "htmx-2.0.11.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    "htmx-2.0.11.LICENSE.txt": "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    "htmx-ext-sse-2.2.4.min.js": "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
    "htmx-ext-sse-2.2.4.LICENSE.txt": "a17d224ce9afdc21ec9491b76a2f5d036d19aa641ac4f85ca29c21f9f7e54fdf",
}
"""As `npm pack htmx.org@2.0.11 htmx-ext-sse@2.2.4` brings them, `dist/*.min.js` and `LICENSE`."""


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_files_are_what_was_published(name: str) -> None:
    content = (importlib.resources.files("dashboard") / "static" / name).read_bytes()

    assert hashlib.sha256(content).hexdigest() == VENDORED[name]


async def test_static_files_are_kept_by_their_hash(stranger: httpx.AsyncClient) -> None:
    address = assets.Assets().url("panini.css")

    first = await stranger.get(address)
    plain = await stranger.get("/static/panini.css")
    again = await stranger.get(address, headers={"If-None-Match": first.headers["etag"]})

    assert "immutable" in first.headers["cache-control"]
    assert plain.headers["cache-control"] == "no-cache"
    assert again.status_code == 304
    assert first.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fsite.py", "%2e%2e", ".hidden.js", "site.py"])
async def test_what_is_no_static_file(stranger: httpx.AsyncClient, name: str) -> None:
    assert (await stranger.get(f"/static/{name}")).status_code == 404


def test_a_build_is_four_steps() -> None:
    build = steps.Build("predict.py")
    for number, line in enumerate(kit.LOG, 1):
        build.take(number, line)
    build.settle("live")

    assert {name: step.state for name, step in build.steps.items()} == dict.fromkeys(steps.NAMES, steps.State.DONE)
    assert build.steps["environment"].took == "3.2 s"
    assert [line.text for line in build.steps["load"].lines if line.author] == ["reading weights"]
    assert build.steps["environment"].lines[0].source == "uv"


def test_a_build_that_fails_stops_at_its_step() -> None:
    build = steps.Build("main.py")
    for number, line in enumerate([*kit.LOG[:5], "ModuleNotFoundError: No module named 'x'"], 1):
        build.take(number, line)
    build.settle("failed", "load")

    states = [step.state for step in build.steps.values()]
    assert states == [steps.State.DONE, steps.State.DONE, steps.State.BAD, steps.State.TODO]
    assert build.steps["load"].lines[-1].level == "bad"
    assert build.steps["check"].note == "not reached"


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "\N{EN DASH}"),
        (0.01, "< 0.1 ms"),
        (0, "0 ms"),
        (8.0, "8 ms"),
        (0.44, "0.4 ms"),
        (86.4, "86 ms"),
        (1840, "1.8 s"),
        (60_000, "60 s"),
        (180_000, "3 min"),
        (72 * 3_600_000, "72 h"),
    ],
)
def test_durations(ms: float | None, words: str) -> None:
    assert shown.duration(ms) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (312, "312 B"), (46_800_000, "46.8 MB"), (5e12, "5.0 TB")])
def test_sizes(count: int, words: str) -> None:
    assert shown.size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.5, "now"), (2, "2 s ago"), (2400, "40 min ago"), (9 * 86400, "9 days ago")]
)
def test_ago(seconds: float, words: str) -> None:
    now = shown.moment(kit.NOW) + dt.timedelta(seconds=seconds)

    assert shown.ago(kit.NOW, now) == words


def test_the_timing_bar_fills_its_width() -> None:
    parts = shown.bar(records.Timings(queued_ms=0.0, batch_ms=6.0, predict_ms=11.0))

    assert parts[0].width > 0
    assert parts[-1].x + parts[-1].width <= 100
    assert shown.bar(records.Timings(queued_ms=0.0)) == []
    assert shown.bar(None) == []


def test_outputs_are_laid_out_and_cut() -> None:
    text, cut = shown.document(msgspec.Raw(json.dumps({"scores": [0.25] * 30}).encode()))
    assert text.count("\n") < 10
    assert not cut
    assert shown.document(msgspec.Raw(json.dumps("x" * 30_000).encode()))[1]
    assert json.loads(text) == {"scores": [0.25] * 30}


@pytest.mark.parametrize("text", ["", "1, x", "nan", "1e999"])
def test_what_are_no_numbers(text: str) -> None:
    with pytest.raises(errors.BadInput):
        inputs.from_numbers(text, whole=False)


def test_numbers() -> None:
    assert inputs.from_numbers("[1, 2.5;\n3]", whole=False) == [1.0, 2.5, 3.0]
    assert inputs.from_numbers("1 2", whole=True) == [1, 2]
    with pytest.raises(errors.BadInput):
        inputs.from_numbers("1.5", whole=True)


@pytest.mark.parametrize("text", ["", "[1,", "NaN", "[" * 100_000])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(errors.BadInput):
        inputs.from_json(text)


@pytest.mark.parametrize("input_type", list(snippets.EXAMPLES))
def test_snippets_of_python_compile(input_type: str) -> None:
    for kafka in (
        snippets.Kafka(bootstrap="k:9092"),
        snippets.Kafka(bootstrap="k:9092", sasl=True),
        snippets.Kafka(bootstrap="k:9092", sasl=True, local=True),
    ):
        found = snippets.every(
            url="http://x", model="iris", input_type=input_type, topic="panini.default.iris.jobs", kafka=kafka
        )
        assert [each.id for each in found] == ["curl", "python", "kafka"]
        for each in found[1:]:
            compile(each.text, each.id, "exec")


def test_events_survive_any_cut() -> None:
    events = [
        eventstream.Event(name="line", data="a\N{LINE SEPARATOR}b", id="7"),
        eventstream.Event(name="rows", data="<tr>\n<td>"),
    ]
    text = b"".join(eventstream.write(event) for event in [*events, eventstream.HEARTBEAT])

    for size in (1, 3, 1000):
        parser = eventstream.Parser()
        found = [event for at in range(0, len(text), size) for event in parser.feed(text[at : at + size])]
        told = [(event.name, event.data) for event in found if event != eventstream.HEARTBEAT]
        assert told == [(event.name, event.data) for event in events]
