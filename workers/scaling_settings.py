"""Settings of growing and shrinking: the policy of `workers.scaling`, and how often a hand asks it."""

import pydantic

from wire import settings
from workers import scaling


class ScalingSettings(settings.Base):
    """How many workers a model has."""

    scale_least: int = pydantic.Field(default=0, ge=0)
    """Workers that every model always has; default 0: a model that nobody uses costs nothing."""
    scale_most: int = pydantic.Field(default=4, ge=1)
    """Workers of a model at most; default 4, the default number of partitions: more than these would get no work."""
    scale_target_wait: float = pydantic.Field(default=5.0, gt=0)
    """Seconds within which a waiting backlog should be gone; default 5. Smaller starts more workers."""
    scale_load: float = pydantic.Field(default=10.0, gt=0)
    """Seconds from a worker's start to its first job, taken until it is measured; default 10."""
    scale_stable: float = pydantic.Field(default=60.0, ge=0)
    """Seconds for which fewer workers must have been enough before one is stopped; default 60, so that a wave of jobs
    does not stop and start workers."""
    scale_idle: float = pydantic.Field(default=300.0, gt=0)
    """Seconds without any job after which only scale_least workers stay; default 300: longer keeps models warm."""
    scale_interval: float = pydantic.Field(default=1.0, gt=0)
    """Seconds between two looks at the backlog; default 1: what waking a sleeping model waits for at most."""

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> "ScalingSettings":
        if self.scale_least > self.scale_most:
            raise ValueError("scale_least must not be above scale_most")
        return self

    def limits(self) -> scaling.Limits:
        """What the policy is given."""
        return scaling.Limits(
            least=self.scale_least,
            most=self.scale_most,
            target_wait=self.scale_target_wait,
            load=self.scale_load,
            stable=self.scale_stable,
            idle=self.scale_idle,
        )
