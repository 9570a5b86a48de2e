"""`panini check`."""

import asyncio
import pathlib
from typing import Any

import click

from panini.cli import deploying, errors, homes, inputs, session, show
from panini.client import bundle, values
from workers import checking
from workers import errors as workers_errors


@click.command()
@deploying.folder_argument
@deploying.framework_option
@deploying.input_option
@deploying.sample_option
@show.json_option
def check(
    folder: pathlib.Path,
    framework: str | None,
    input_type: str | None,
    sample: pathlib.Path | None,
    *,
    as_json: bool,
) -> None:
    """Check DIR as a deploy would, here and without a server.

    Its files, its environment (made in PANINI_HOME and kept), load, and predict on the sample.
    """
    kind = deploying.settled_input(folder, input_type)
    sample_file = sample or inputs.sample_of(folder, kind)
    with session.translated():
        bundle.plan(folder)
        text = values.encode(inputs.from_file(sample_file, kind)) if sample_file else None
    given = {"framework": framework, "input": input_type}
    options = {name: value for name, value in given.items() if value is not None}
    say = show.note()
    try:
        version = asyncio.run(
            checking.check(folder, home=homes.home(), log=lambda line: say(f"  {line}"), sample=text, given=options)
        )
    except workers_errors.BuildFailed as error:
        if error.traceback:
            say(error.traceback.rstrip())
        if as_json:
            show.document(_report(folder, passed=False, failed_step=error.step, error=error.message))
        raise errors.Failed(f"the check failed at step {error.step!r}: {error.message}") from error
    except OSError as error:
        raise errors.WrongUse(
            f"the check needs a folder for environments, and {homes.home()} cannot be used ({error}); "
            "set PANINI_HOME to one that can be written"
        ) from error
    if as_json:
        show.document(_report(folder, passed=True, entry=version.entry, input=str(version.options.input)))
    else:
        click.echo(f"{folder} can be deployed: panini deploy {folder} --name NAME")


def _report(folder: pathlib.Path, **found: Any) -> dict[str, Any]:
    return {"folder": str(folder), **found}
