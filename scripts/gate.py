"""The gate of every change: lint, types, all tests with coverage. Every part runs, also after one that failed.

`make test` runs it. pytest tells the time of each folder of tests itself (tests/conftest.py); its closing line is the
last but one, the last says what failed.
"""

import subprocess
import sys
import time

FOLDERS = ("architecture", "unit", "contract", "integration", "docs", "e2e")
"""Folders of tests, the quick ones first."""

FAULTS = ("test_checker.py", "test_bugs.py", "test_short_outages.py")
"""Of the tests that kill things the quick ones; `make faults` runs all."""

PARTS = {
    "lint": ["make", "lint"],
    "types": ["make", "types"],
    "tests": [
        *(sys.executable, "-m", "pytest", "--cov", "--cov-report=term:skip-covered"),
        *(f"tests/{folder}" for folder in FOLDERS),
        *(f"tests/faults/{name}" for name in FAULTS),
    ],
}


def main() -> int:
    """Run the parts; 1 where one failed."""
    failed = []
    for name, command in PARTS.items():
        print(f"== {name}: {' '.join(command)}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        print(f"== {name}: {'ok' if code == 0 else f'failed ({code})'} in {time.monotonic() - began:.1f} s", flush=True)
        if code:
            failed.append(name)
    print(f"gate: {'failed: ' + ', '.join(failed) if failed else 'passed'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
