"""panini.cli: the command line. It asks `panini.client`, or starts what `panini.up`, `serve` and `work` hold; no rule
about jobs or models lives here, and no HTTP.

A command is a row in `program.COMMANDS` and a function of its name in the module the row names.
"""

from panini.cli.program import main

__all__ = ["main"]
