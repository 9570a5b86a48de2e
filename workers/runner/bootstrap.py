"""Encloses a runner, then becomes it: a plan in, an exec out. Standard library only; run by the worker's interpreter.

The plan is JSON in the environment variable PLAN (not in the arguments, which every user can read):

    argv, environ, cwd     what to exec; an empty argv only tries whether the enclosing works
    parent                 pid of the worker: where it is gone already, so are we
    uid                    become this user and group (root only), or null
    user_namespace         enter one of our own, in which this user keeps its number and has no power outside
    mounts                 cover `hide` (folders by an empty tmpfs, files by /dev/null), leaving `show` in place
    processes              a process namespace of its own: the runner sees and signals nobody else, and nothing it
                           forks outlives it
    need                   paths that must be readable, else the enclosing is of no use
    data_limit             bytes of writable memory (RLIMIT_DATA), or null

Exit code 97: the enclosing failed; stderr says how.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import stat
import sys
from typing import Any, NoReturn

FAILED = 97

_NEWNS, _NEWUSER, _NEWPID = 0x00020000, 0x10000000, 0x20000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_PDEATHSIG, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 24, 38


class Failed(Exception):
    """A step of the enclosing did not work."""


def main() -> None:
    """Carry out the plan."""
    plan = json.loads(os.environ["PLAN"])
    try:
        enclose(plan)
    except (Failed, OSError) as error:
        sys.stderr.write(f"panini: cannot enclose the runner: {error}\n")
        sys.stderr.flush()
        os._exit(FAILED)


def enclose(plan: dict[str, Any]) -> None:
    """Every step, in the only order in which they work."""
    _limits(plan)
    os.umask(0o022)
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if linux:
        libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        _prctl(libc, _PDEATHSIG, signal.SIGKILL)
        if plan["parent"] and os.getppid() != plan["parent"]:
            os._exit(FAILED)
        _namespaces(libc, plan)
    if plan["processes"]:
        _second_process(libc)
    if plan["mounts"]:
        _cover(libc, plan)
    if plan["uid"] is not None:
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    if linux:
        _powerless(libc)
        _prctl(libc, _PDEATHSIG, signal.SIGKILL)  # a change of user clears it
    for path in plan["need"]:
        if not os.access(path, os.R_OK):
            raise Failed(f"{path} cannot be read from inside")
    if not plan["argv"]:
        os._exit(0)
    os.chdir(plan["cwd"])
    os.execve(plan["argv"][0], plan["argv"], plan["environ"])  # noqa: S606  becoming the runner is the point


def _limits(plan: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if plan["data_limit"]:
        with contextlib.suppress(OSError, ValueError):  # a lower hard limit stands already
            resource.setrlimit(resource.RLIMIT_DATA, (plan["data_limit"], plan["data_limit"]))


def _namespaces(libc: Any, plan: dict[str, Any]) -> None:
    flags = (_NEWUSER if plan["user_namespace"] else 0) | (_NEWNS if plan["mounts"] else 0)
    flags |= _NEWPID if plan["processes"] else 0
    if not flags:
        return
    uid, gid = os.getuid(), os.getgid()
    _check(libc.unshare(flags), "unshare")
    if plan["user_namespace"]:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    if plan["mounts"]:
        _mount(libc, None, "/", None, _REC | _PRIVATE)


def _second_process(libc: Any) -> None:
    """Fork the namespace's first process, which forks the runner and reaps; this one only hands its end on."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _keep_only({2, reader})
        status = os.read(reader, 4)
        os.wait()
        _end_like(int.from_bytes(status, "little") if len(status) == 4 else signal.SIGKILL)
    _prctl(libc, _PDEATHSIG, signal.SIGKILL)
    os.close(reader)
    _mount(libc, "proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    runner = os.fork()
    if not runner:
        os.close(writer)
        return
    _keep_only({2, writer})
    while True:
        pid, status_ = os.wait()
        if pid == runner:
            os.write(writer, status_.to_bytes(4, "little"))
            os._exit(0)


def _end_like(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _keep_only(kept: set[int]) -> None:
    """Close the runner's descriptors here, so that their end is seen when the runner ends."""
    low = 0
    for number in sorted(kept):
        if low < number:  # an empty range at 0 closes everything: CPython's closerange(0, 0) asks for 0 to -1
            os.closerange(low, number)
        low = number + 1
    os.closerange(low, min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def _cover(libc: Any, plan: dict[str, Any]) -> None:
    kept = [(path, writable, os.open(path, os.O_PATH)) for path, writable in plan["show"]]
    for path in plan["hide"]:
        if stat.S_ISDIR(os.stat(path).st_mode):  # noqa: PTH116  no pathlib here: start time counts
            _mount(libc, "tmpfs", path, "tmpfs", _NOSUID | _NODEV, b"size=1m,mode=755")
        else:
            _mount(libc, "/dev/null", path, None, _BIND)
    for path, writable, opened in kept:
        if not any(path.startswith(hidden + "/") for hidden in plan["hide"]):
            continue
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        _mount(libc, f"/proc/self/fd/{opened}", path, None, _BIND | _REC)
        if not writable:
            held = os.statvfs(path).f_flag & (_NOSUID | _NODEV | _NOEXEC | 0x1C00)  # what may not be taken away
            _mount(libc, None, path, None, _REMOUNT | _BIND | _RDONLY | _atime(held))
    for _, _, opened in kept:
        os.close(opened)


def _atime(flags: int) -> int:
    """statvfs's flags as mount's: the three about access times have other numbers there."""
    times = {0x400: 1 << 10, 0x800: 1 << 11, 0x1000: 1 << 21}
    return (flags & 0xF) | sum(mount for held, mount in times.items() if flags & held)


def _powerless(libc: Any) -> None:
    for capability in range(64):
        if libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    _prctl(libc, _NO_NEW_PRIVS, 1)


def _prctl(libc: Any, option: int, value: int) -> None:
    _check(libc.prctl(option, value, 0, 0, 0), "prctl")


def _mount(  # noqa: PLR0917  mount(2)'s own order
    libc: Any, source: str | None, target: str, kind: str | None, flags: int, data: bytes | None = None
) -> None:
    encode = os.fsencode
    done = libc.mount(
        encode(source) if source else None, encode(target), encode(kind) if kind else None, ctypes.c_ulong(flags), data
    )
    _check(done, f"mount on {target}")


def _check(code: int, step: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{step}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
