"""The gate of every change: lint, types, all tests with coverage. Every part runs, also after one that failed.

`make test` runs it. The tests run as two processes side by side, each with servers of its own: they wait more than they
compute. What the second prints is shown when the first is done. pytest tells the time of each folder of tests itself
(tests/conftest.py); the last line says what failed.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path("tests")

CHECKS = {"lint": ["make", "lint"], "types": ["make", "types"]}

FAULTS = ("test_checker.py", "test_bugs.py", "test_short_outages.py", "test_chaos.py")
"""Of the tests that kill things those that can be short; `make faults` runs all, at full length."""

SHORT = {"PANINI_FAULTS_JOBS": "600", "PANINI_FAULTS_SEED": "11"}
"""How much happens in them here, unless the environment says otherwise: the same each time."""

PARTS = ("architecture", "unit", "contract", "integration", *(f"faults/{name}" for name in FAULTS))

SIDES = {
    "tests of whole stacks": ("e2e/test_*.py",),
    "tests of parts and pages": (*PARTS, "docs", "e2e/dashboard"),
}
"""Folders and files of tests, in two halves that take about as long as each other."""


def main() -> int:
    """Run the parts; 1 where one failed."""
    failed = [name for name, command in CHECKS.items() if not _passed(name, command)]
    with tempfile.TemporaryDirectory() as folder:
        failed += _tests(pathlib.Path(folder))
    print(f"gate: {'failed: ' + ', '.join(failed) if failed else 'passed'}", flush=True)
    return 1 if failed else 0


def _passed(name: str, command: list[str]) -> bool:
    print(f"== {name}: {' '.join(command)}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, check=False).returncode
    print(f"== {name}: {_outcome(code)} in {time.monotonic() - began:.1f} s", flush=True)
    return code == 0


def _tests(folder: pathlib.Path) -> list[str]:
    """Both sides; the names of those that failed."""
    began = time.monotonic()
    first, second = SIDES
    shows = {first: None, second: folder / "output"}
    running = [_started(name, folder / f"coverage.{name}", shown) for name, shown in shows.items()]
    failed = []
    for (name, shown), process in zip(shows.items(), running, strict=True):
        code = process.wait()
        if shown is not None:
            sys.stdout.flush()
            sys.stdout.buffer.write(shown.read_bytes())
        print(f"== {name}: {_outcome(code)}, {time.monotonic() - began:.1f} s since both began", flush=True)
        if code:
            failed.append(name)
    measured = [str(place) for place in folder.glob("coverage.*")]
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet", "--keep", *measured], check=False)
    subprocess.run([*coverage, "report", "--skip-covered"], check=False)
    return failed


def _started(name: str, coverage: pathlib.Path, shown: pathlib.Path | None) -> subprocess.Popen[bytes]:
    """One side, its output in the file `shown` or for all to see."""
    print(f"== {name}: {', '.join(SIDES[name])}", flush=True)
    paths = [str(path) for pattern in SIDES[name] for path in sorted(TESTS.glob(pattern))]
    command = [sys.executable, "-m", "pytest", "--cov", "--cov-report=", *paths]
    environ = SHORT | dict(os.environ) | {"COVERAGE_FILE": str(coverage)}
    if shown is None:
        return subprocess.Popen(command, env=environ)
    with shown.open("wb") as out:
        return subprocess.Popen(command, env=environ, stdout=out, stderr=subprocess.STDOUT)


def _outcome(code: int) -> str:
    return "ok" if code == 0 else f"failed ({code})"


if __name__ == "__main__":
    sys.exit(main())
