"""`panini serve ROLE`: one HTTP process."""

import pathlib
from types import FrameType
from typing import Any

import pydantic
import uvicorn
import uvicorn.config

from panini import api, front, logs
from wire import settings
from workers import sandbox


class Settings(settings.Base):
    """Where an HTTP process listens."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container."""
    port: int = pydantic.Field(default=8080, ge=0, le=65535)
    """TCP port of the HTTP API."""
    key_file: pathlib.Path | None = None
    """Where the first API key is written (mode 0600) when the registry makes it; none: it is printed once."""
    grace: float = pydantic.Field(default=10.0, ge=0)
    """Seconds that open requests get when the process is told to stop."""


def run(role: str) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    sandbox.protect_self()
    logs.configure(role)
    options = Settings.load()
    app = api.make(role)
    app.state.key_file = options.key_file
    config = uvicorn.Config(
        front.Front(app),
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(options.grace),
        timeout_keep_alive=75,  # above common proxies' 60 s, so that they close first
        server_header=False,
    )
    server = _Server(config, app.state)
    server.run()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Told to stop, it first lets long polls and followed logs go: they would last as long as their clients wait."""

    def __init__(self, config: uvicorn.Config, state: Any) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        kept = getattr(self._state, "registry", None)
        if kept is not None:
            kept.release()
        super().handle_exit(sig, frame)
