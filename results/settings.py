"""Settings of reading and writing results. Where Redis is, `wire.settings.Connections` says."""

import pydantic

from wire import settings


class Settings(settings.Base):
    """Bounds of every wait for Redis."""

    redis_timeout: float = 2.0
    """Seconds without any reply after which Redis counts as away: above its longest pause (AOF rewrite, failover)."""
    redis_connect_timeout: float = 1.0
    """Seconds to connect and log in, so that an answer of 503 is there within 3 s."""


class Memory(settings.Base):
    """How much of Redis results may take."""

    result_budget: int | None = pydantic.Field(default=None, ge=1 << 20)
    """Bytes in use by Redis at which POSTs of jobs are refused with 503, until results have expired. None: 80 % of
    Redis' `maxmemory`, which a larger number means too; where Redis has none, 4 GiB."""


class Push(settings.Base):
    """How webhooks are delivered."""

    webhook_private: bool = False
    """Whether webhooks may go to addresses that are not public. `panini up` sets it: on a laptop the receiver is local.
    Elsewhere it would let every account reach your own network."""
    webhook_timeout: float = pydantic.Field(default=15.0, gt=0)
    """Seconds that one try may take, from looking up the address to the end of the answer."""
    webhook_in_flight: int = pydantic.Field(default=64, ge=1)
    """Tries of one process at once."""
    webhook_in_flight_host: int = pydantic.Field(default=16, ge=1)
    """Tries at one host at once, so that one slow receiver keeps nobody else waiting."""
