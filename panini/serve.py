"""`panini serve ROLE`: one HTTP process."""

import functools
from types import FrameType
from typing import Any, cast

import uvicorn
import uvicorn.config

from panini import api, front, heads, hot, listening, logs
from workers import sandbox


def run(role: str) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    sandbox.protect_self()
    logs.configure(role)
    options = listening.Settings.load()
    app = api.make(role)
    app.state.key_file = options.key_file
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=cast("Any", functools.partial(front.Front, addresses=hot.Hot(app.state), known=heads.Heads())),
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
        for name in ("registry", "dashboard", "streams"):
            if (kept := getattr(self._state, name, None)) is not None:
                kept.release()
        super().handle_exit(sig, frame)
