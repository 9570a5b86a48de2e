"""The ports of the local servers: chosen at the first start, kept in the home, proven free by binding."""

import contextlib
import dataclasses
import json
import socket
from pathlib import Path

from panini.stack import errors, home, settings

HOST = "127.0.0.1"  # loopback only: the servers are this machine's alone
STEP = 10  # between the ports that are tried
TRIES = 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The TCP ports of the local servers on 127.0.0.1."""

    kafka: int = 9092
    kafka_controller: int = 9093
    valkey: int = 6379


def settle(place: home.Home, options: settings.Settings) -> Ports:
    """The ports for this start: a setting wins, else what was chosen before, else the default or a free one.

    What is chosen here is remembered in the home, so that a client's configuration stays right.
    """
    kept = _load(place.ports_file)
    taken: set[int] = set()
    chosen: dict[str, int] = {}
    for field in dataclasses.fields(Ports):
        port = getattr(options, f"{field.name}_port") or kept.get(field.name) or choose(int(str(field.default)), taken)
        chosen[field.name] = port
        taken.add(port)
    if kept != chosen:
        _save(place.ports_file, chosen)
    return Ports(**chosen)


def choose(default: int, but: set[int]) -> int:
    """The default port if it is free, else one near it, else any free one."""
    for port in range(default, default + STEP * TRIES, STEP):
        if port not in but and is_free(port):
            return port
    return any_free()


def any_free() -> int:
    """A port that nothing listens on now."""
    return several_free(1)[0]


def several_free(count: int) -> list[int]:
    """Ports that differ and that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def is_free(port: int) -> bool:
    """Whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is not "taken"
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def require_free(port: int, *, what: str, setting: str) -> None:
    """Proves that the port can be listened on.

    Raises:
        PortTaken: naming the port, who holds it where that can be seen, and the setting that chooses another.
    """
    if not is_free(port):
        who = holder(port)
        by = f" by {who}" if who else ""
        raise errors.PortTaken(
            f"Port {port}, which {what} needs, is taken{by}. "
            f"Stop that program, or choose another port with {setting}=<port>."
        )


def holder(port: int) -> str | None:
    """The process that listens on the port, as `name (process 123)`; None where the system does not tell."""
    sockets = _listening_sockets(port)
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in sockets:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:  # it ended, or it is another user's
            continue
    return None


def _listening_sockets(port: int) -> set[str]:
    """The inodes of the listening sockets on the port, as /proc/*/fd names them (Linux: proc(5), /proc/net/tcp)."""
    found: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:  # 0A: LISTEN
                found.add(f"socket:[{columns[9]}]")
    return found


def _load(path: Path) -> dict[str, int]:
    """What was chosen before; nothing where the file is missing or damaged, as it can be chosen anew."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["ports"]
        return {name: int(kept[name]) for name in kept}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _save(path: Path, chosen: dict[str, int]) -> None:
    home.note(path, {"ports": chosen})
