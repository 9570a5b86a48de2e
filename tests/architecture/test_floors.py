"""The floors of the house, and which module alone may know a third party: the contracts in pyproject.toml."""

import subprocess
import sys

from tests.architecture import tree

LINT = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True))"


def test_no_import_breaks_a_contract() -> None:
    """In a process of its own: the linter sets up logging, and silences the loggers of the tests behind it."""
    done = subprocess.run([sys.executable, "-c", LINT], cwd=tree.ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
