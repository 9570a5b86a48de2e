"""Settings of runners and of the building of versions."""

import pydantic

from wire import settings


class RunnerSettings(settings.Base):
    """How runners are held."""

    runner_term_grace: float = pydantic.Field(default=2.0, ge=0)
    """Seconds between TERM and KILL of a runner that hangs: enough to close files, too short to hold a place."""
    runner_max_output: int = pydantic.Field(default=16 << 20, ge=1)
    """Bytes of one output at most; a larger one is an invalid_output. Bounds what one answer costs the store."""
    runner_max_frame: int = pydantic.Field(default=64 << 20, ge=1 << 20)
    """Bytes of one message from a runner at most; a runner that sends more is ended. Above runner_max_output."""
    runner_log_line: int = pydantic.Field(default=8192, ge=80)
    """Bytes of one log line at most; the rest of a longer line is cut."""
    runner_log_rate: int = pydantic.Field(default=500, ge=1)
    """Log lines a second that are kept of one runner; more are counted and named as dropped, so that a flood costs
    neither memory nor time."""
    runner_threads: int = pydantic.Field(default=0, ge=0)
    """Threads of numerical libraries in a runner (OMP_NUM_THREADS); 0: as many as this process may use cores, 4 at
    most, since several runners share a machine."""
    runner_isolation: str = pydantic.Field(default="auto", pattern="^(auto|namespaces|mounts|user|none)$")
    """How a runner is kept from the installation's files: `auto` takes the strongest that works here; a named one
    must work, or no runner starts."""
    environment_timeout: float = pydantic.Field(default=3600.0, gt=0)
    """Seconds the making of one environment may take: the largest (torch) takes minutes on a slow line."""
