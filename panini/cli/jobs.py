"""`panini submit`, `job`, `cancel` and `events`."""

import pathlib
from typing import Any

import click

from panini import client
from panini.cli import errors, inputs, session, show
from panini.client import records

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=pathlib.Path, dir_okay=False), help="Write the output to this file."
)


@click.command()
@click.argument("model")
@click.argument("input_", metavar="INPUT")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, help="Seconds to wait for the end.  [default: 0]")
@click.option("--webhook", metavar="URL", help="Called at the job's end.")
@click.option("--timeout", type=float, help="Seconds that predict may take.")
@click.option("--version", "version", type=int, help="Run on this version, not on the live one.")
@click.option("--idempotency-key", metavar="KEY", help="The same key again is the same job.")
@output_option
@show.json_option
def submit(
    model: str,
    input_: str,
    wait: float,
    output: pathlib.Path | None,
    *,
    as_json: bool,
    **words: Any,
) -> None:
    """Submit a job to MODEL.

    INPUT is JSON, @FILE (for a model of bytes: the file's bytes), or - for stdin.

    \b
    panini submit iris '[5.1, 3.5, 1.4, 0.2]' --wait 20
    panini submit photos @cat.jpg --wait 20
    """
    with session.connected() as panini:
        value = inputs.read(input_, lambda: panini.model(model).input)
        _tell(panini.submit(model, value, wait=wait, **words), output, as_json=as_json)


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--model", help="The job's model: needed where the id is your own.")
@click.option("--wait", type=click.FloatRange(min=0), default=0.0, help="Seconds to wait for the end.  [default: 0]")
@output_option
@show.json_option
def job(id_: str, model: str | None, wait: float, output: pathlib.Path | None, *, as_json: bool) -> None:
    """Show the job ID."""
    with session.connected() as panini:
        _tell(panini.job(id_, model=model, wait=wait), output, as_json=as_json)


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--model", help="The job's model: needed where the id is your own.")
@show.json_option
def cancel(id_: str, model: str | None, *, as_json: bool) -> None:
    """Cancel the job ID: queued, it never starts; running, it ends. One that had ended stays as it is."""
    with session.connected() as panini:
        found = panini.cancel(id_, model=model)
    if as_json:
        show.document(found.document)
    else:
        _for_people(found, shown=False)


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--model", help="The job's model: needed where the id is your own.")
@show.json_option
def events(id_: str, model: str | None, *, as_json: bool) -> None:
    """Show what happens to the job ID, as it happens, until it ends."""
    last = None
    with session.connected() as panini:
        for event in panini.events(id_, model=model):
            last = event
            if as_json:
                show.document({"number": event.number, "event": event.name, "data": event.data})
            else:
                click.echo(f"{event.number:>4}  {event.name:<9} {_words(event)}")
    if last is not None and last.name == "ended" and last.data.get("status") != "succeeded":
        raise errors.Failed(f"job {id_} {last.data.get('status')}")


def _words(event: client.JobEvent) -> str:
    """An event's data for people, on one line."""
    data = event.data
    if event.name == "progress":
        return f"{data.get('fraction', 0):.0%}  {data.get('text', '')}"
    if event.name == "position":
        return _place(data).removeprefix(", ")
    if event.name == "ended":
        return str(data.get("status"))
    if event.name == "output":
        return show.pretty(data.get("output")).replace("\n", " ")[:200]
    return ""


def _place(data: dict[str, Any]) -> str:
    """A queued job's place, where it is known, for people."""
    position, eta = data.get("queue_position"), data.get("eta_seconds")
    if position is None:
        return ""
    return f", place {position} in the queue" + (f", about {eta:.0f} s to go" if eta is not None else "")


def _tell(found: client.Job, output: pathlib.Path | None, *, as_json: bool) -> None:
    """Show a job. Raises Failed where it ended, but not well."""
    if output is not None and found.succeeded:
        _write(found, output)
    if as_json:
        show.document(found.document)
    else:
        _for_people(found, shown=output is None)
    if found.done and not found.succeeded:
        raise errors.Failed(str(client.errors.JobFailed(found)))


def _for_people(found: records.Job, *, shown: bool) -> None:
    version = f" version {found.version}" if found.version else ""
    place = _place(found.document)
    cached = ", from the cache" if found.document.get("cached") else ""
    click.echo(f"{found.id}  {found.status}{place}  ({found.model}{version}{cached})")
    if not found.done:
        click.echo(f"panini job {found.id} --wait 20   waits for its end")
    elif found.succeeded and shown:
        if isinstance(found.output, bytes):
            click.echo(f"{show.size(len(found.output))} of {found.media_type}; --output FILE writes them")
        else:
            click.echo(show.pretty(found.output))


def _write(found: client.Job, path: pathlib.Path) -> None:
    content = found.output if isinstance(found.output, bytes) else show.pretty(found.output).encode() + b"\n"
    try:
        path.write_bytes(content)
    except OSError as error:
        raise errors.WrongUse(f"{path} cannot be written: {error.strerror or error}; the job is {found.id}") from error
    show.note()(f"{show.size(len(content))} written to {path}")
