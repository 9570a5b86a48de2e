"""`panini up`, `down` and `status`: the local stack."""

from typing import Any

import click

from panini.cli import errors, homes, later, show


@click.command()
@click.option("-d", "--detach", is_flag=True, help="Return once it answers, and leave it running.")
def up(*, detach: bool) -> int:
    """Start the local stack, or resume it: Kafka, Valkey, the API and the workers.

    Everything it keeps lies in PANINI_HOME (.panini in this folder). PANINI_KAFKA and PANINI_REDIS name servers of your
    own instead. Ctrl-C finishes what runs and stops all.
    """
    module = later.module("panini.up")
    return int(module.run(module.Settings.load(), detach=detach))


@click.command()
def down() -> int:
    """Stop the local stack. What it keeps stays."""
    return int(later.module("panini.up").down(homes.home()))


@click.command()
@show.json_option
def status(*, as_json: bool) -> int:
    """Tell where the stack is and what it runs."""
    found: dict[str, Any] = later.module("panini.up").status(homes.home())
    if as_json:
        show.document(found)
    else:
        _for_people(found)
    if found.get("running") is False:
        raise errors.ServerAway("the local stack is not running; `panini up` starts it")
    return 0


@click.command()
def login() -> int:
    """Print a link that signs you in to the pages: good once, for ten minutes."""
    module = later.module("panini.up")
    try:
        click.echo(module.login(homes.home()))
    except later.module("panini.stack.errors").StackError as error:
        raise errors.ServerAway(str(error)) from error
    return 0


def _for_people(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if name == "models":
            continue
        if isinstance(value, dict):  # Kafka's client arguments: where it is; --json has the rest
            value = value.get("bootstrap_servers", value)  # noqa: PLW2901 - the same thing, shorter
        click.echo(f"{name:<9} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    models = found.get("models") or []
    click.echo(f"{'models':<9} {', '.join(_name(model) for model in models) or 'none yet'}")


def _name(model: Any) -> str:
    return str(model.get("model", model)) if isinstance(model, dict) else str(model)
