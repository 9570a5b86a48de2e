"""Golden records: bytes that pipelines have written. What they mean never changes; a new layout only adds files.

Each record lies in `golden/NAME.msgpack` or `golden/NAME.json`, and what it means in `golden/meaning.json`.
"""

import json
import pathlib
from typing import Any

import msgspec
import pytest

from wire import envelope

GOLDEN = pathlib.Path(__file__).parent / "golden"
MEANING: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / "meaning.json").read_text())
RECORDS = sorted(path.name for path in GOLDEN.iterdir() if path.name != "meaning.json")


def test_every_record_has_its_meaning() -> None:
    assert sorted(MEANING) == RECORDS


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_means_what_it_always_meant(name: str) -> None:
    # Given bytes as they were written then
    value = (GOLDEN / name).read_bytes()
    # When they are read now
    found = envelope.decode_record(value)
    # Then they mean the same, field by field
    assert [told(job) for job in found] == MEANING[name]


@pytest.mark.parametrize("name", [name for name in RECORDS if name.startswith("written-")])
def test_what_ingest_writes_stays_readable_for_workers_of_then(name: str) -> None:
    # Given a record that ingest wrote then
    value = (GOLDEN / name).read_bytes()
    # When its jobs are written again now
    found = [job for job in envelope.decode_record(value) if isinstance(job, envelope.Envelope)]
    again = [envelope.encode(job) for job in found]
    # Then the bytes are the same
    assert value == (again[0] if len(again) == 1 else envelope.join_record(again))


def told(job: envelope.Envelope | envelope.Invalid) -> dict[str, Any]:
    """A job in JSON: what is not the default, its input as what the runner would make of it."""
    if isinstance(job, envelope.Invalid):
        return {"invalid": True, "id": job.id}
    fields = {name: getattr(job, name) for name in job.__struct_fields__ if name != "input"}
    kept = {name: value for name, value in fields.items() if value is not None}
    plain: dict[str, Any] = json.loads(msgspec.json.encode(kept))
    return plain | {"input": _input(msgspec.msgpack.decode(job.input))}


def _input(value: Any) -> Any:
    if isinstance(value, msgspec.msgpack.Ext):
        assert value.code == envelope.JSON_TEXT
        return {"json": json.loads(bytes(value.data))}
    return {"msgpack": {"hex": value.hex()} if isinstance(value, bytes) else value}
