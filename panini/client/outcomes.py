"""What an ended job, a finished build or a set of submissions means to the caller: a value or an error."""

from collections.abc import Sequence
from typing import Any, TypeVar

from panini.client import errors, records
from wire import specs

J = TypeVar("J", bound=records.Job)


def ended(job: J, timeout: float | None) -> J:
    """The job, which ended. Raises TimedOut where it did not."""
    if not job.done:
        raise errors.TimedOut(
            f"job {job.id} is still {job.status} after {timeout:g} s; it goes on, ask again with job({job.id!r})",
            job=job,
        )
    return job


def output(job: records.Job) -> Any:
    """The output of an ended job. Raises JobFailed."""
    if not job.succeeded:
        raise errors.JobFailed(job)
    return job.output


def built(version: records.Version) -> records.Version:
    """The version, which is live or ready. Raises DeployFailed."""
    if version.state is specs.VersionState.FAILED:
        raise errors.DeployFailed(version)
    return version


def all_submitted(results: Sequence[J | BaseException]) -> list[J]:
    """The jobs. Raises PartlySubmitted where there is an error among them, or the error itself if it is no client's."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, errors.ClientError):
            raise result
    failures = [result for result in results if isinstance(result, errors.ClientError)]
    accepted = [None if isinstance(result, BaseException) else result for result in results]
    if failures:
        raise errors.PartlySubmitted(accepted, failures[0])
    return [job for job in accepted if job is not None]
