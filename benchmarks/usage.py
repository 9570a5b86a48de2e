"""CPU time and memory of whole process trees, as Linux counts them (proc(5))."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Role:
    """Processes that are counted together: those below `roots`, the roots included, without those below `but`."""

    name: str
    roots: tuple[int, ...]
    but: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    seconds: float  # its own and its dead children's
    rss: int  # bytes


def client() -> Role:
    """This process, which plays the users, without the servers that it started."""
    return Role(name="client", roots=(os.getpid(),), but=tuple(children(os.getpid())))


def cpu(roles: Iterable[Role]) -> dict[str, float]:
    """CPU seconds used so far by each role. A child that died is counted with its parent once that waited for it."""
    table = _table()
    return {role.name: sum(table[pid].seconds for pid in _members(table, role)) for role in roles}


def rss(roles: Iterable[Role]) -> dict[str, int]:
    """Resident bytes of each role now. Pages that processes share are counted in each of them."""
    table = _table()
    return {role.name: sum(table[pid].rss for pid in _members(table, role)) for role in roles}


def shared(pid: int) -> tuple[float, float]:
    """MiB of one process: resident, and with pages that n processes share counted as an nth (Pss of proc(5))."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    sizes = {line.partition(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
    return int(sizes["Rss"]) / 1024, int(sizes["Pss"]) / 1024


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was used between two looks."""
    return {name: after[name] - before.get(name, 0.0) for name in after}


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    return [child for child, found in _table().items() if found.parent == pid]


def below(pid: int) -> list[int]:
    """Every process that descends from `pid`."""
    return sorted(_tree(_table(), (pid,)) - {pid})


def machine() -> float:
    """CPU seconds used by everything on this machine so far, idle and waiting left out: shows who else was at work."""
    first = pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    fields = [int(field) for field in first.split()[1:]]  # user nice system idle iowait irq softirq steal …
    return (sum(fields[:3]) + sum(fields[5:8])) / TICKS


def _members(table: Mapping[int, _Process], role: Role) -> set[int]:
    return _tree(table, role.roots) - _tree(table, role.but)


def _tree(table: Mapping[int, _Process], roots: Iterable[int]) -> set[int]:
    offspring: dict[int, list[int]] = {}
    for pid, found in table.items():
        offspring.setdefault(found.parent, []).append(pid)
    members: set[int] = set()
    look = [pid for pid in roots if pid in table]
    while look:
        pid = look.pop()
        members.add(pid)
        look.extend(child for child in offspring.get(pid, []) if child not in members)
    return members


def _table() -> dict[int, _Process]:
    found: dict[int, _Process] = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        # fields[0] is the state, field 3 of proc(5); 14 to 17 are utime, stime, cutime, cstime; 24 is rss in pages
        seconds = sum(int(field) for field in fields[11:15]) / TICKS
        found[int(entry.name)] = _Process(int(fields[1]), seconds, int(fields[21]) * PAGE)
    return found
