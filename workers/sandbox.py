"""Keeps model code away from the installation: what a runner may see, and how strongly that holds on this machine.

Model code holds no credential and cannot use Kafka or Valkey: its environment is made from nothing, the installation's
folder is covered except for the model's own parts, and Panini's own processes cannot be read (`protect_self`).
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from workers import errors

BOOTSTRAP: Final = pathlib.Path(__file__).parent / "runner" / "bootstrap.py"

_FIRST_UID: Final = 200_000
_UIDS: Final = 60_000
_PR_SET_DUMPABLE: Final = 4


class Level(StrEnum):
    """How a runner is enclosed, the strongest first. `panini status` shows it."""

    NAMESPACES = "namespaces"
    """Own view of files and processes: the installation's folder is covered, other processes do not exist."""
    MOUNTS = "mounts"
    """Own view of files; other processes of the same user can be seen and signalled."""
    USER = "user"
    """An unprivileged user of its own: what that user may not read is safe (only where the service is root)."""
    NONE = "none"
    """Nothing but a clean environment: model code can read what this user can read, the secrets folder included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Isolation:
    """What was found to work here."""

    level: Level
    own_user: bool = False
    """Runners get a user of their own, one a model."""
    warning: str | None = None
    """What the operator should know and do, once; None where all is well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What of the installation one runner sees."""

    hide: Sequence[pathlib.Path] = ()
    """Folders and files to cover."""
    show: Mapping[pathlib.Path, bool] = field(default_factory=dict)
    """Paths that stay visible inside them → whether they may be written."""
    need: Sequence[pathlib.Path] = ()
    """Paths that must be readable from inside for a level to be of use, such as the interpreter."""


def protect_self() -> bool:
    """Make this process unreadable for others of its user (/proc/PID/environ, /proc/PID/mem). False: not possible here.

    Call it first in every process of Panini that holds a credential.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def view(
    home: pathlib.Path,
    *,
    show: Mapping[pathlib.Path, bool],
    need: Sequence[pathlib.Path],
    hide: Sequence[pathlib.Path] = (),
) -> View:
    """A view in which `home` is covered but for `show`, and for Python itself where that lies inside."""
    python = [path for path in map(pathlib.Path, (sys.base_prefix, sys.prefix)) if path != home]
    inside = {path: False for path in python if path.is_relative_to(home)}
    return View(hide=(home, *hide), show=inside | dict(show), need=need)


def probe(view: View, *, wanted: str = "auto", own_user: bool = True) -> Isolation:
    """The strongest isolation that works here for this view, tried for real; blocks for some 30 ms a try.

    `wanted`: "auto", or the one level that must work; `own_user`: whether another user is acceptable. Raises
    StartFailed where nothing of that works.
    """
    reasons: list[str] = []
    for isolation in _candidates():
        if isolation.own_user and not own_user:
            continue
        if wanted not in {"auto", isolation.level.value}:
            continue
        if isolation.level is Level.NONE:
            return Isolation(level=Level.NONE, warning=_warning(reasons) if wanted == "auto" else None)
        problem = _try(isolation, view)
        if problem is None:
            return isolation
        reasons.append(f"{isolation.level.value}: {problem}")
    raise errors.StartFailed(
        f"runners cannot be isolated by {wanted!r} here ({'; '.join(reasons) or 'not offered by this system'}); "
        "set PANINI_RUNNER_ISOLATION=auto to take the strongest that works"
    )


def plan(
    isolation: Isolation, view: View, *, argv: Sequence[str], environ: Mapping[str, str], cwd: pathlib.Path | None,
    owner: str = "", data_limit: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The bootstrap's plan, as its docstring lays it out."""
    mounts = isolation.level in {Level.NAMESPACES, Level.MOUNTS}
    return {
        "argv": list(argv),
        "environ": dict(environ),
        "cwd": str(cwd or "/"),
        "parent": os.getpid(),
        "uid": uid(owner) if isolation.own_user else None,
        "user_namespace": mounts and not isolation.own_user,
        "mounts": mounts,
        "processes": isolation.level is Level.NAMESPACES,
        "hide": [os.path.realpath(path) for path in view.hide if path.exists()],
        "show": [(os.path.realpath(path), writable) for path, writable in view.show.items() if path.exists()],
        "need": [str(path) for path in view.need],
        "data_limit": data_limit,
    }


def command() -> list[str]:
    """How the bootstrap is started: isolated from every Python variable, without site-packages, so in some 15 ms."""
    return [sys.executable, "-I", "-S", str(BOOTSTRAP)]


def environ(plan_: Mapping[str, Any]) -> dict[str, str]:
    """The environment of the bootstrap: its plan and nothing else."""
    return {"PLAN": json.dumps(plan_), "PATH": os.defpath}


def uid(owner: str) -> int:
    """The user of a model's runners where each has its own: a number above all usual ones, from the model's name."""
    return _FIRST_UID + zlib.crc32(owner.encode()) % _UIDS


def _candidates() -> list[Isolation]:
    if sys.platform != "linux":
        return [Isolation(level=Level.NONE)]
    root = os.geteuid() == 0
    found = [Isolation(level=level, own_user=True) for level in (Level.NAMESPACES,) if root]
    found.append(Isolation(level=Level.NAMESPACES))
    if root:
        found += [Isolation(level=Level.MOUNTS, own_user=True), Isolation(level=Level.USER, own_user=True)]
    return [*found, Isolation(level=Level.MOUNTS), Isolation(level=Level.NONE)]


def _try(isolation: Isolation, view: View) -> str | None:
    """Why it does not work; None where it does."""
    tried = plan(isolation, view, argv=(), environ={}, cwd=None)
    # The parent is checked against our pid, which is right in whatever thread this runs.
    done = subprocess.run(
        command(), env=environ(tried), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )
    if done.returncode == 0:
        return None
    return done.stderr.decode(errors="replace").strip().rpartition("runner: ")[2] or f"exit code {done.returncode}"


def _warning(reasons: Sequence[str]) -> str:
    return (
        "model code is NOT isolated from this installation's files on this machine: deploy only models you trust, or "
        "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, or user.max_user_namespaces above 0)"
    ) + (f" ({'; '.join(reasons)})" if reasons else "")
