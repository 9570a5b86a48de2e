"""Installs what the lock files pin into the environment that runs this, with the project itself; once for each lock.

Run by scripts/environment.sh with the standard library alone. uv is used because it takes seconds where pip takes a
minute; it is told where packages come from in the user's own pip configuration, which it does not read itself.
"""

import hashlib
import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCKS = {"run": ["requirements.lock"], "dev": ["requirements.lock", "requirements-dev.lock"]}


def main(kind: str) -> int:
    """Install; the exit code."""
    locks = LOCKS[kind]
    stamps = [
        (_stamp(known), _digest([*LOCKS[known], "pyproject.toml"]))
        for known in LOCKS
        if set(LOCKS[known]) <= set(locks)
    ]
    stamp, wanted = stamps[-1]
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return 0
    print("installing Panini and what it needs", flush=True)
    failed = _uv() or _install(locks)
    if failed:
        print(
            "panini: the packages could not be installed (the lines above say why). They come from PyPI, or from where "
            "pip's configuration or UV_DEFAULT_INDEX points; connect to the network and run it again.",
            file=sys.stderr,
        )
        return failed
    for stamp, wanted in stamps:  # the tests' environment is enough to run, too
        stamp.write_text(wanted, encoding="ascii")
    return 0


def _stamp(kind: str) -> pathlib.Path:
    return pathlib.Path(sys.prefix, f"installed-{kind}")


def _digest(names: list[str]) -> str:
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def _uv() -> int:
    """Make sure that there is a uv; the exit code."""
    if importlib.util.find_spec("uv") is not None:
        return 0
    pinned = next(
        line for line in (ROOT / LOCKS["run"][0]).read_text(encoding="ascii").splitlines() if line[:4] == "uv=="
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
    return subprocess.run([*command, pinned], check=False).returncode


def _install(locks: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    packages = importlib.import_module("panini.stack.packages")  # of the standard library alone, too
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    for lock in locks:
        command += ["--requirements", lock]
    return subprocess.run(
        [*command, "--editable", "."], env=packages.variables(os.environ), cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
