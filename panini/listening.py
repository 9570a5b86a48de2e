"""Where an HTTP process listens, and how it is reached."""

import pathlib

import pydantic

from wire import settings


class Settings(settings.Base):
    """The address of an HTTP process."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container."""
    port: int = pydantic.Field(default=8080, ge=0, le=65535)
    """TCP port of the HTTP API."""
    public_url: str = ""
    """Address that clients and visitors use, such as https://panini.example.com; empty: this machine's own."""
    key_file: pathlib.Path | None = None
    """Where the first API key is written (mode 0600) when the registry makes it; none: it is printed once."""
    local_stack: bool = False
    """Whether this is `panini up`, whose `panini status --json` hands out Kafka's address and password."""
    grace: float = pydantic.Field(default=10.0, ge=0)
    """Seconds that open requests get when the process is told to stop."""

    @property
    def url(self) -> str:
        """Where this process answers, as seen from this machine."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  compared, not bound
        return f"http://{host}:{self.port}"
