"""The runner: loads one version, then runs the batches it is sent until it is told to exit."""

import contextlib
import faulthandler
import importlib.util
import mmap
import os
import pathlib
import signal
import socket
import sys
import time
from typing import Any

from . import answers, batches, frames, messages, model, tracebacks, values

_PYTHON = ".".join(map(str, sys.version_info[:3]))


class Ending(SystemExit):
    """This process was asked to end."""


def main(socket_fd: int, journal_fd: int) -> None:
    """Run until told to exit, or until the worker goes away."""
    os.set_inheritable(socket_fd, False)
    channel = frames.Frames(socket.socket(fileno=socket_fd))
    journal = _journal(journal_fd)
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    faulthandler.enable()
    channel.send([messages.HELLO, messages.VERSION, os.getpid(), _PYTHON])
    kind, version, config = channel.read()
    if kind != messages.START or version != messages.VERSION:
        raise SystemExit(f"the worker speaks version {version} of the protocol, this runner {messages.VERSION}")
    shim = _shim()
    loaded = model.Model(bundle=config["bundle"], entry=config["entry"], weights=config["weights"])
    executor = _load(channel, journal, loaded, shim, config)
    if executor is not None:
        _guard(channel, executor)
        with contextlib.suppress(EOFError, ConnectionError):
            _serve(channel, executor)


def _load(
    channel: frames.Frames, journal: mmap.mmap | None, loaded: model.Model, shim: Any, config: dict[str, Any]
) -> batches.Executor | None:
    sys.path.insert(0, config["bundle"])
    started = time.monotonic()
    try:
        form = loaded.load()
        decode = values.decoder(config["input"])
    except model.Unusable as error:
        channel.send([messages.LOAD_FAILED, str(error), ""])
        return None
    except BaseException as error:  # noqa: BLE001  boundary: whatever the author's module raises is told
        words = tracebacks.summary(error)
        if isinstance(error, SystemExit):
            words = f"{config['entry']} called sys.exit({error.code!r}) while loading"
        channel.send([messages.LOAD_FAILED, words, tracebacks.text(error, config["bundle"])])
        return None
    executor = batches.Executor(
        channel=channel, journal=journal, loaded=loaded, shim=shim,
        decode=decode, encode=answers.encoder(config["max_output"]),
    )  # fmt: skip
    shim._report = executor.report  # noqa: SLF001  the shim is ours
    loaded.on_value = executor.yielded
    facts = {"form": form, "load_ms": (time.monotonic() - started) * 1000, "python": _PYTHON}
    if config["input"] in {"ints", "floats", "doubles"}:
        facts["arrays"] = "numpy" if "numpy" in sys.modules else "lists"
    channel.send([messages.READY, facts])
    return executor


def _serve(channel: frames.Frames, executor: batches.Executor) -> None:
    while True:
        message = channel.read()
        kind = message[0]
        if kind == messages.RUN:
            executor.canceled.update(*(one[1] for one in channel.behind() if one[0] == messages.CANCEL))
            executor.run(*message[1:])
            executor.canceled.difference_update(message[4])  # others may be of the next batch
        elif kind == messages.CANCEL:
            executor.canceled.update(message[1])
        elif kind == messages.EXIT:
            return


def _guard(channel: frames.Frames, executor: batches.Executor) -> None:
    """End on TERM, and keep what the model forks away from the socket."""

    def end(_number: int, _frame: object) -> None:
        executor.ending = True
        raise Ending(143)

    def after_fork() -> None:
        executor.forked = True
        channel.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, end)
    os.register_at_fork(after_in_child=after_fork)


def _journal(descriptor: int) -> mmap.mmap | None:
    if descriptor < 0:
        return None
    found = mmap.mmap(descriptor, 0)
    os.close(descriptor)
    return found


def _shim() -> Any:
    """Make `import panini` give the author's words."""
    path = pathlib.Path(__file__).with_name("panini.py")
    spec = importlib.util.spec_from_file_location("panini", path)
    if spec is None or spec.loader is None:
        raise ImportError("the kit has no panini.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["panini"] = module
    return module
