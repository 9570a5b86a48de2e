"""How commands speak: to people on a terminal, in JSON with --json or into a pipe. What goes on is told on stderr."""

import functools
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Adds --json; the command gets `as_json`, which a pipe makes true as well."""

    def settle(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
        del context, parameter
        return value or not sys.stdout.isatty()

    option = click.option(
        "--json", "as_json", is_flag=True, callback=settle, help="Print JSON, as into a pipe. Without it, for people."
    )
    return option(command)


def document(value: Any) -> None:
    """One JSON document on a line of stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def pretty(value: Any) -> str:
    """JSON for people: short values on one line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else json.dumps(value, ensure_ascii=False, indent=2)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns for people."""
    lines = [[("" if cell is None else str(cell)) for cell in row] for row in [head, *rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def size(count: int) -> str:
    """Bytes for people: `12.3 MB`."""
    if count < 1000:
        return f"{count} bytes"
    power = next((power for power in (1, 2) if count < 999.95 * 1000**power), 3)
    return f"{count / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"


class Progress:
    """An upload's per cent on stderr: one moving line on a terminal, plain lines at quarters elsewhere."""

    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()
        self._told = -1

    def __call__(self, sent: int, total: int) -> None:
        """`sent` of `total` bytes are on their way."""
        percent = 100 * sent // max(total, 1)
        step = percent if self._moving else percent // 25 * 25
        if step == self._told:
            return
        self._told = step
        line = f"uploading {size(total)}: {step} %"
        if self._moving:
            click.echo(f"\r{line}", err=True, nl=percent >= 100)
        else:
            click.echo(line, err=True)


@functools.cache
def note() -> Callable[[str], None]:
    """How to tell what goes on: on stderr, so that stdout holds the answer alone."""
    return functools.partial(click.echo, err=True)
