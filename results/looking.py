"""A GET of a job that Panini named, without a task: what is read now, and what is said when that is there.

Most requests of clients that poll are such. A task and the calls it goes through cost as much as all the rest of it; so
here the read itself calls on. What takes more than one read is left to `Results.job`, as is every wait.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from results import answers, errors, records
from wire import directory, jobs, problems, specs

T = TypeVar("T")


class Later(NamedTuple, Generic[T]):
    """What is said when something is there."""

    future: asyncio.Future[Any]
    then: "Callable[[asyncio.Future[Any]], T | Later[T]]"
    """Given that future, which is done and was not cancelled. Raises what nobody expected."""


Said = answers.Answer | Later[answers.Answer]


def look(
    found: answers.Results, known: directory.Directory, key: specs.Key, job_id: str, if_none_match: str | None
) -> Said:
    """The state of a job."""
    try:
        here = found.here(known, key, job_id)
    except problems.Problem as problem:
        return answers.refused(problem)
    if here is None:
        return _task(found, known, key, job_id, if_none_match)
    parsed, endpoint = here

    def told(reading: asyncio.Future[bytes | None]) -> Said:
        try:
            value = reading.result()
            record = None if value is None else records.decode(value)
            if record is not None and record.status is jobs.Status.QUEUED:  # its place is one more read
                return _task(found, known, key, job_id, if_none_match)
            headers = {"Content-Type": answers.JSON}
            return found.told(endpoint, job_id, parsed, record, headers, if_none_match=if_none_match)
        except (problems.Problem, errors.StoreUnavailable) as error:
            return answers.refused(error)

    return Later(found.store.peek(endpoint.account, endpoint.model, job_id), told)


def _task(
    found: answers.Results, known: directory.Directory, key: specs.Key, job_id: str, if_none_match: str | None
) -> Later[answers.Answer]:
    asked = answers.Asked(if_none_match=if_none_match)
    return Later(asyncio.ensure_future(found.job(known, key, job_id, asked)), _result)


def _result(task: asyncio.Future[answers.Answer]) -> answers.Answer:
    return task.result()
