"""What is told of a job at its end."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from workers import ends


@pytest.mark.parametrize(
    ("accepted", "ready", "cold"),
    [
        pytest.param(1000, 0, None, id="a worker that was ready for ever"),
        pytest.param(1000, 900, None, id="ready before it came"),
        pytest.param(1000, 1000, None, id="ready just then"),
        pytest.param(1000, 4000, 3000, id="it waited for the worker"),
        pytest.param(1000, 5000, 4000, id="and was started at once"),
        pytest.param(1000, 6000, None, id="another worker started it before this one was ready"),
    ],
)
def test_a_cold_start_is_told_where_the_job_waited_for_it(accepted: int, ready: int, cold: int | None) -> None:
    job = cast("Any", SimpleNamespace(accepted_at=accepted))

    told = ends.timings(job, started=5000, ready_at=ready, batch_ms=1.5, predict_ms=2.5, batch_size=3)

    assert told.cold_ms == cold
    assert (told.queued_ms, told.batch_ms, told.predict_ms, told.batch_size) == (4000, 1.5, 2.5, 3)
