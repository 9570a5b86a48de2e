"""`panini models`, `versions`, `rollback`, `logs` and `remove`."""

import sys
from collections.abc import Iterable

import click

from panini import client
from panini.cli import errors, session, show


@click.command()
@show.json_option
def models(*, as_json: bool) -> None:
    """List your models."""
    with session.connected() as panini:
        found = panini.models()
    if as_json:
        show.document({"models": [model.document for model in found]})
    elif not found:
        click.echo("no models yet: panini deploy DIR --name NAME makes one")
    else:
        rows = [(m.model, m.live or "-", m.document.get("state"), m.input, m.topic) for m in found]
        show.table(("model", "live", "state", "input", "topic"), rows)


@click.command()
@click.argument("model")
@show.json_option
def versions(model: str, *, as_json: bool) -> None:
    """List MODEL's versions."""
    with session.connected() as panini:
        found = panini.versions(model)
    if as_json:
        show.document({"model": model, "versions": [version.document for version in found]})
    else:
        rows = [(v.version, v.state, _when(v.created_at), v.digest[:12], v.error) for v in found]
        show.table(("version", "state", "uploaded", "digest", "error"), rows)


@click.command()
@click.argument("model")
@click.argument("version", type=click.IntRange(min=1))
@show.json_option
def rollback(model: str, version: int, *, as_json: bool) -> None:
    """Make VERSION of MODEL the live one. Jobs that wait go to it too."""
    with session.connected() as panini:
        answer = panini.rollback(model, version)
    if as_json:
        show.document(answer)
    else:
        click.echo(f"{model} version {version} is live")


@click.command()
@click.argument("model")
@click.option("-f", "--follow", is_flag=True, help="Go on as new lines come.")
@click.option("--version", type=click.IntRange(min=1), help="The log of this version, its build included.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line. Without it text, into a pipe too.")
def logs(model: str, version: int | None, *, follow: bool, as_json: bool) -> None:
    """Show MODEL's log."""
    with session.connected() as panini:
        lines: Iterable[client.Line] = panini.follow(model, version) if follow else panini.log(model, version)
        for line in lines:
            if as_json:
                show.document({"line": line.number, "text": line.text})
            else:
                click.echo(line.text)


@click.command()
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do not ask.")
@show.json_option
def remove(model: str, *, yes: bool, as_json: bool) -> None:
    """Remove MODEL with its versions, topics and results. Jobs that wait are lost."""
    if not yes:
        if not sys.stdin.isatty():
            raise errors.WrongUse(f"removing {model} loses its versions and waiting jobs; say so with --yes")
        click.confirm(f"remove {model}, all its versions and the jobs that wait?", abort=True, err=True)
    with session.connected() as panini:
        panini.remove(model)
    if as_json:
        show.document({"model": model, "removed": True})
    else:
        click.echo(f"{model} is removed")


def _when(moment: object) -> str:
    """A time of the API for a table: to the second."""
    return str(moment)[:19].replace("T", " ") if moment else ""
