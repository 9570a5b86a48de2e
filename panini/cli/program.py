"""The program `panini`: its commands, loaded when they are used, and the one place where errors become exit codes."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from panini.cli import errors

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("stack", "Start the local stack, or resume it."),
    "down": ("stack", "Stop the local stack."),
    "status": ("stack", "Tell where the stack is and what it runs."),
    "login": ("stack", "Print a link that signs you in to the pages."),
    "check": ("checking", "Check a model's folder here, as a deploy would, without a server."),
    "deploy": ("deploying", "Upload a model's folder and wait until it is live."),
    "models": ("models", "List your models."),
    "versions": ("models", "List a model's versions."),
    "rollback": ("models", "Make an earlier version the live one."),
    "logs": ("models", "Show a model's log, or follow it."),
    "remove": ("models", "Remove a model, its versions, topics and results."),
    "submit": ("jobs", "Submit a job."),
    "job": ("jobs", "Show a job, or wait for its end."),
    "cancel": ("jobs", "Cancel a job."),
    "events": ("jobs", "Show what happens to a job until it ends."),
    "serve": ("processes", "Run one HTTP service, or all of them."),
    "worker": ("processes", "Run a worker of one model."),
    "scaler": ("processes", "Keep the workers of every model on Kubernetes."),
}
"""Name → the module of panini.cli that has it, and its line in the help. Their order is the help's."""

EXIT_INTERRUPTED: Final = 130
EXIT_BUG: Final = 70


class Commands(click.Group):
    """The commands, imported one at a time, so that each starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"panini.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="panini", prog_name="panini")
def panini() -> None:
    """Put a trained model into production in minutes.

    The API's address and key come from PANINI_URL and PANINI_KEY, else from the local stack's folder (PANINI_HOME, by
    default .panini in this folder or one above it).

    \b
    Exit codes: 0 done, 1 the job or the version failed, 2 wrong use,
                3 the server cannot be reached or cannot do it now.
    """


def main() -> NoReturn:
    """Run the program with this process's arguments, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the program; its exit code. Errors end as one line on stderr."""
    try:
        result = panini.main(args=list(arguments), prog_name="panini", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except errors.CommandError as error:
        _say(str(error))
        return error.code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader went away, as `head` does; nothing more may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the boundary: a person gets one line, and a bug is told as one
        if os.environ.get("PANINI_DEBUG"):
            raise
        _say(
            f"panini itself failed ({type(error).__name__}: {error}); "
            "run it again with PANINI_DEBUG=1 and report what it prints"
        )
        return EXIT_BUG


def _say(message: str) -> None:
    if message:
        click.echo(f"panini: {message}", err=True)
