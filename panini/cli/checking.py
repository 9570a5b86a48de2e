"""`panini check`."""

import asyncio
import pathlib

import click

from panini.cli import deploying, errors, inputs, later, show


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
    """Check DIR as a deploy would, here: its files, its environment, load, and predict on the sample."""
    kind = deploying.settled_input(folder, input_type)
    sample_file = sample or inputs.sample_of(folder, kind)
    value = inputs.from_file(sample_file, kind) if sample_file else None
    raise errors.WrongUse("not built yet")
