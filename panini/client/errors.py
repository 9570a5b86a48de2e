"""What can go wrong between a program and its models; every message says the next step."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panini.client import records


class ClientError(Exception):
    """Panini's client could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class NotConfigured(ClientError):
    """No Panini was named and none was found: run `panini up` here, or set PANINI_URL and PANINI_KEY."""


class InvalidInput(ClientError, ValueError):
    """A value that cannot be sent as JSON."""


class BundleUnusable(ClientError):
    """A folder that cannot be deployed."""


class Unreachable(ClientError):
    """The server did not answer."""

    def __init__(self, message: str, *, unsent: bool = False) -> None:
        super().__init__(message)
        self.unsent = unsent
        """Whether the server surely never saw the request, so that sending it again cannot do a thing twice."""


class NotUnderstood(ClientError):
    """The answer is not Panini's: does the address lead to its API?"""


class Refused(ClientError):
    """The server refused the request. `problem` is its whole answer (RFC 9457)."""

    def __init__(self, problem: dict[str, Any], *, retry_after: float | None = None) -> None:
        self.problem = problem
        self.status = int(problem.get("status", 0))
        self.title = str(problem.get("title") or "Refused")
        self.detail = str(problem.get("detail") or "")
        self.retry_after = retry_after
        """Seconds after which the server asks to be tried again; None where it does not say."""
        super().__init__(f"{self.title}: {self.detail}" if self.detail else f"{self.title} (HTTP {self.status})")


class Unauthorized(Refused):
    """The key is missing, unknown or revoked, or may not do this."""


class NotFound(Refused):
    """There is no such model, version or job."""


class Gone(Refused):
    """The job's result was kept as long as promised and is gone."""


class Unavailable(Refused):
    """The server cannot do it now and can later: try again after `retry_after` seconds."""


class JobFailed(ClientError):
    """The job ended, but not as succeeded."""

    def __init__(self, job: "records.Job") -> None:
        self.job = job
        why = f"{job.error.type}: {job.error.message}" if job.error else "it has no output"
        super().__init__(f"job {job.id} {job.status}: {why}")


class DeployFailed(ClientError):
    """The version did not pass its build or check; the version that was live stays live."""

    def __init__(self, version: "records.Version") -> None:
        self.version = version
        step = f" at step {version.failed_step!r}" if version.failed_step else ""
        super().__init__(
            f"version {version.version} of {version.model!r} failed{step}: {version.error or 'its log says why'}"
        )


class TimedOut(ClientError):
    """Not finished in the time given. It goes on: ask again later."""

    def __init__(self, message: str, *, job: "records.Job | None" = None) -> None:
        super().__init__(message)
        self.job = job


class PartlySubmitted(ClientError):
    """Some jobs of `submit_many` were not accepted. `jobs` has the accepted ones at their places, None elsewhere."""

    def __init__(self, jobs: "list[Any]", cause: Exception) -> None:
        self.jobs = jobs
        accepted = sum(job is not None for job in jobs)
        super().__init__(f"{accepted} of {len(jobs)} jobs were accepted; the first other one failed: {cause}")
