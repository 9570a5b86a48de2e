"""`panini serve`, `worker` and `scaler`: one process of a production installation."""

import click

from panini.cli import later
from wire import names

SERVICES = ("ingest", "results", "registry", "dashboard", "workers", "all")


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
def serve(service: str) -> int:
    """Run one service; `all` is every HTTP one in one process, `workers` the workers of every model on this machine.

    Settings come from PANINI_… variables.
    """
    module = "panini.supervise" if service == "workers" else "panini.serve"
    return int(later.module(module).run(service))


@click.command()
@click.argument("model")
@click.option("--account", default=names.DEFAULT_ACCOUNT, show_default=True, help="Whose model it is.")
def worker(model: str, account: str) -> int:
    """Run a worker of MODEL until it is told to stop. Settings come from PANINI_… variables."""
    return int(later.module("panini.work").run(account, model))


@click.command()
def scaler() -> int:
    """Keep a Deployment of workers for each model on Kubernetes. Settings come from PANINI_… variables."""
    return int(later.module("panini.scale").run())
