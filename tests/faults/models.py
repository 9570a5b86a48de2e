"""The model that everything here runs: it writes a log of its own, and does with an input what that asks for."""

import json
import pathlib
from typing import Any, Final

import msgspec

from tests.faults import history

MAX_BATCH: Final = 16
TIMEOUT: Final = 3.0
"""Seconds that one predict() call of it may take."""

REPEATS: Final = 10
"""How often one start may give predict() an input: a bisect of 16 runs each at most 5 times for one guilty input in its
batch; as many again for the others beside it."""

_CODE: Final = """\
import json, os, time
VERSION = {version}
BY = os.urandom(6).hex()
HOME = os.environ['XDG_CACHE_HOME']
SEEN = os.open(os.path.join(HOME, 'starts'), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def predict(inputs):
    for one in inputs:
        line = {{'at': time.time(), 'n': one['n'], 'runner': BY, 'version': VERSION}}
        os.write(SEEN, (json.dumps(line) + '\\n').encode())
    for one in inputs:
        do = one.get('do', 'answer')
        if do == 'raise':
            raise ValueError('an input that raises')
        if do == 'exit':
            os._exit(13)
        if do == 'hang':
            time.sleep(3600)
        while 'gate' in one and not os.path.exists(os.path.join(HOME, one['gate'])):
            time.sleep(0.01)
        time.sleep(one.get('sleep', 0))
    return [{{'y': one['n'] * 7 + 3, 'v': VERSION, 'by': BY}} for one in inputs]
"""


def answer(n: int) -> int:
    """What the model makes of an input, as `y`."""
    return n * 7 + 3


def files(version: int, **options: Any) -> dict[str, str]:
    """The folder of one version of it."""
    told = {"batch": True, "max_batch": MAX_BATCH, "timeout": TIMEOUT} | options
    toml = "".join(f"{name} = {json.dumps(told[name])}\n" for name in told)
    return {"predict.py": _CODE.format(version=version), "panini.toml": toml}


class _Line(msgspec.Struct):
    at: float
    n: int
    runner: str
    version: int


def starts(worker: str, cache: pathlib.Path) -> list[history.Started]:
    """What predict() wrote into the cache folder of that worker's home."""
    path, decoder = cache / "starts", msgspec.json.Decoder(_Line)
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [
        history.Started(at=line.at, n=line.n, runner=line.runner, worker=worker, version=line.version)
        for line in map(decoder.decode, lines)
    ]


def open_gate(cache: pathlib.Path, name: str = "gate") -> None:
    """Let the inputs that wait for that gate be answered, of the worker whose cache folder it is."""
    (cache / name).touch()
