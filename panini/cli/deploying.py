"""`panini deploy`."""

import pathlib
from typing import Any

import click

from panini import client
from panini.cli import curl, errors, inputs, session, show
from panini.client import address, bundle
from wire import jobs, names, specs

folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False)
)
framework_option = click.option(
    "--framework", type=click.Choice([each.value for each in jobs.Framework]), help="Chooses the hints in the log."
)
input_option = click.option(
    "--input", "input_type", type=click.Choice([each.value for each in jobs.InputType]), help="What one input is."
)
sample_option = click.option(
    "--sample",
    type=click.Path(path_type=pathlib.Path, exists=True, dir_okay=False),
    help="A file with one input, which the check runs.  [default: DIR/sample.json, or for bytes DIR/sample.*]",
)


@click.command()
@folder_argument
@click.option("--name", required=True, help="The model's name, part of its address.")
@framework_option
@input_option
@sample_option
@show.json_option
def deploy(
    folder: pathlib.Path,
    name: str,
    framework: str | None,
    input_type: str | None,
    sample: pathlib.Path | None,
    *,
    as_json: bool,
) -> None:
    """Upload DIR as the next version of a model, and show its build until it is live.

    DIR holds predict.py (or main.py), and if need be requirements.txt, a weights file, panini.toml and a sample.

    \b
    panini deploy examples/iris --name iris
    """
    if not names.is_model(name):
        raise errors.WrongUse(f"{name!r} is no model name: 1 to 40 of a-z, 0-9 and -, with no - at either end")
    with session.connected() as panini:
        kind = settled_input(folder, input_type)
        sample_file = sample or inputs.sample_of(folder, kind)
        words: dict[str, Any] = {"framework": framework, "input": input_type, "on_progress": show.Progress()}
        value = None
        if sample_file is not None:
            words["sample"] = value = inputs.from_file(sample_file, kind)
        version = panini.upload(folder, name, **words)
        version = _built(panini, version)
        shown_input = version.input or kind
        example = curl.line(panini.address, name, shown_input, sample=_shown(value), sample_file=sample_file)
        _tell(panini.address, version, example, as_json=as_json)


def settled_input(folder: pathlib.Path, given: str | None) -> str:
    """What one input of the folder's model is: its panini.toml wins over what was given. Raises WrongUse."""
    with session.translated():
        declared = bundle.declared(folder).get("input")
    if not isinstance(declared, str):
        return given or jobs.InputType.JSON.value
    if given and given != declared:
        show.note()(f'panini.toml says input = "{declared}", which wins over --input {given}')
    return declared


def _built(panini: client.Client, version: client.Version) -> client.Version:
    """The version after its build, whose log is shown as it comes. Raises Failed."""
    say = show.note()
    if version.unchanged:
        say(f"nothing changed since version {version.version}")
    if not version.done:
        say(f"building version {version.version} of {version.model}")
        try:
            for line in panini.follow(version.model, version.version):
                say(f"  {line.text}")
        except KeyboardInterrupt:
            say(f"the build goes on: panini logs {version.model} --version {version.version} -f")
            raise
        version = panini.version(version.model, version.version)
    if version.state is specs.VersionState.FAILED:
        raise errors.Failed(
            f"{client.errors.DeployFailed(version)}. {_what_lives(panini, version.model)} "
            f"Mend it and deploy again; `panini logs {version.model} --version {version.version}` shows the log again"
        )
    say("done deploying")
    return version


def _what_lives(panini: client.Client, model: str) -> str:
    """What answers after a failed build, for the message about it."""
    live = panini.model(model).live
    return f"Version {live} stays live." if live else "No version is live."


def _shown(sample: Any) -> Any:
    return None if isinstance(sample, bytes) else sample


def _tell(place: address.Address, version: client.Version, example: str, *, as_json: bool) -> None:
    """The end of a deploy: where the model is, and how it is called."""
    api = f"{place.url}/v1/models/{version.model}/jobs"
    if as_json:
        show.document(version.document | {"curl": example})
        return
    click.echo(f"\n{version.model} version {version.version} is {version.state}")
    click.echo(f"API    {api}")
    if place.key_file is not None:
        click.echo(f"key    in {place.key_file}")
    click.echo(f"topic  {version.topic}")
    click.echo(f"\n{example}")
