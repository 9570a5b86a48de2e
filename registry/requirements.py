"""requirements.txt of a bundle: read for what must not be in it. Whether it resolves shows at the build."""

import re

from registry import errors

FILE = "requirements.txt"
MAX_BYTES = 1 << 20

_OPTION = re.compile(r"^(-{1,2}[A-Za-z][A-Za-z-]*)")
_URL = re.compile(r"(^|[@\s])\s*((git|hg|svn|bzr)\+|[A-Za-z][A-Za-z0-9+.-]*:)", re.IGNORECASE)
_PATH = re.compile(r"^(\.{0,2}/|\.{1,2}$|~|[A-Za-z]:\\)|(^|@\s*)[^\s;#\[]*\.(whl|tar\.gz|zip)\b", re.IGNORECASE)
_NAMED = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\s*(\[[^\]]*\])?\s*([<>=!~;(@]|$)")
_HASH = re.compile(r"\s--hash=\S+")
ALLOWED_OPTIONS = frozenset({"--no-binary", "--only-binary", "--prefer-binary", "--pre"})


def check(data: bytes) -> None:
    """Refuse everything but named packages. Raises BadBundle with the line."""
    if len(data) > MAX_BYTES:
        raise errors.BadBundle("requirements.txt is larger than 1 MiB; list only what predict.py imports", file=FILE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        broken = data[: error.start].count(b"\n") + 1
        raise _refused("it is not UTF-8", "save it as UTF-8", broken) from error
    for number, line in _logical_lines(text):
        _check_line(line, number)


def _check_line(line: str, number: int) -> None:
    option = _OPTION.match(line)
    if option:
        if option[1] in ALLOWED_OPTIONS:
            return
        raise _refused(f"the option {option[1]} is not allowed", _advice(option[1]), number)
    line = _HASH.sub("", line)
    wanted = line.split(";", 1)[0].strip()
    if _URL.search(wanted):
        raise _refused(
            f"{wanted!r} is an address", "name a package of the index, or put the code into the bundle", number
        )
    if _PATH.search(wanted):
        raise _refused(f"{wanted!r} is a file", "name a package of the index, or put the code into the bundle", number)
    if not _NAMED.match(line):
        raise _refused(f"{wanted!r} is no requirement", "write it like numpy==2.1.0", number)


def _advice(option: str) -> str:
    if option in ("-e", "--editable"):
        return "put the code into the bundle and import it from predict.py"
    if option in ("-r", "--requirement", "-c", "--constraint"):
        return "write all lines into this one file"
    return "remove it: packages come from the index that this installation's operator chose"


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines without comments, continued ones joined, with the number of their first."""
    lines: list[tuple[int, str]] = []
    started, joined = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw)
        started = started or number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        joined = (joined + line).strip()
        if joined:
            lines.append((started, joined))
        started, joined = 0, ""
    if joined.strip():
        lines.append((started, joined.strip()))
    return lines


def _refused(why: str, advice: str, line: int) -> errors.BadBundle:
    return errors.BadBundle(f"requirements.txt, line {line}: {why}; {advice}", file=FILE, line=line)
