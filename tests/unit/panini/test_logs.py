"""Lines of JSON: what each says of its subject."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator

import pytest

from panini import logs
from results import protocol, records
from wire import jobs
from workers import observed


@contextlib.contextmanager
def json_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """A process whose log is JSON: what it writes to stderr."""
    monkeypatch.setenv("PANINI_LOG_FORMAT", "json")
    monkeypatch.setenv("PANINI_LOG_LEVEL", "DEBUG")
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    try:
        logs.configure("worker default/iris", account="default", model="iris")
        yield written
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)


def end(error: records.Error | None = None) -> protocol.End:
    status = jobs.Status.SUCCEEDED if error is None else jobs.Status.FAILED
    details = records.Details(error=error, traceparent="00-abc-def-01")
    return protocol.End(
        id="j_1", token="t", status=status, completed_at=1, details=details, output=None, ttl_ms=1, keep_ms=1
    )


def test_a_jobs_end_names_account_model_version_job_and_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    with json_lines(monkeypatch) as written:
        observed.tell([end(), end(records.Error(jobs.ErrorType.CRASHED, "it is gone"))], 3)

    well, crashed = map(json.loads, written.getvalue().splitlines())
    subject = {"account": "default", "model": "iris", "version": 3, "job": "j_1", "traceparent": "00-abc-def-01"}
    assert subject.items() <= well.items()
    assert subject.items() <= crashed.items()
    assert (well["level"], well["message"]) == ("debug", "job j_1 succeeded")
    assert (crashed["level"], crashed["message"]) == ("info", "job j_1 failed: crashed, it is gone")


def test_an_error_has_its_traceback_in_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with json_lines(monkeypatch) as written:
        try:
            int("two\nlines")
        except ValueError:
            logging.getLogger("anything").exception("it broke")

    [line] = written.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["traceback"]
