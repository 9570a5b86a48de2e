"""How every process of Panini logs: one line an event on stderr, libraries' chatter left out."""

import json
import logging
import sys
import time
from typing import Final

from wire import settings

QUIET: Final = {
    "kafka": logging.WARNING,
    "kafka.net.sasl.plain": logging.ERROR,  # warns of a clear password at every connection, loopback included
    "kafka.net.selector": logging.ERROR,  # warns of its own loop's pace on a busy machine
    "aiokafka": logging.WARNING,
    "aiokafka.conn": logging.ERROR,  # the same
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "alembic": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "asyncio": logging.WARNING,
}
"""Loggers of libraries, and from which level their words matter to an operator."""


class Settings(settings.Base):
    """Logging."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    log_format: str = "text"
    """`text` for people, `json` for collectors: one object a line."""


FIELDS: Final = ("account", "model", "version", "job", "traceparent")
"""What a line may say of its subject, as `extra` of the call; JSON keeps each in a field of its own."""


def configure(process: str, **constant: str) -> None:
    """Set the process's logging up, once, in its entry point. `constant`: those of FIELDS that all its lines share."""
    options = Settings.load()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process, constant) if options.log_format == "json" else _text(process))
    logging.basicConfig(level=options.log_level.upper(), handlers=[handler], force=True)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


def _text(process: str) -> logging.Formatter:
    formatter = logging.Formatter(f"%(asctime)s.%(msecs)03dZ %(levelname)-7s {process} %(name)s: %(message)s")
    formatter.datefmt = "%Y-%m-%dT%H:%M:%S"
    formatter.converter = time.gmtime
    return formatter


class _Json(logging.Formatter):
    """One JSON object a record; `extra` fields stand beside the standard ones."""

    def __init__(self, process: str, constant: dict[str, str]) -> None:
        super().__init__()
        self._process = process
        self._constant = constant

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **self._constant,
        }
        for name in FIELDS:
            if (value := getattr(record, name, None)) is not None:
                entry[name] = value
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
