"""Settings of reading and writing results. Where Redis is, `wire.settings.Connections` says."""

from wire import settings


class Settings(settings.Base):
    """Bounds of every wait for Redis."""

    redis_timeout: float = 2.0
    """Seconds without any reply after which Redis counts as away: above its longest pause (AOF rewrite, failover)."""
    redis_connect_timeout: float = 1.0
    """Seconds to connect and log in, so that an answer of 503 is there within 3 s."""
