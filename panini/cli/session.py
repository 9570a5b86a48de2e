"""A client for one command, its errors turned into the command's: which line is printed and how the program exits."""

import contextlib
from collections.abc import Iterator

from panini import client
from panini.cli import errors


@contextlib.contextmanager
def connected() -> Iterator[client.Client]:
    """A client of the Panini that the environment or the local stack's folder names."""
    with translated(), client.Client(retries=1) as made:  # a person would rather know at once
        yield made


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The client's errors as the command's."""
    try:
        yield
    except client.errors.ClientError as error:
        raise _translated(error) from error


def _translated(error: client.errors.ClientError) -> errors.CommandError:
    match error:
        case client.errors.Unreachable() | client.errors.NotConfigured() | client.errors.NotUnderstood():
            return errors.ServerAway(str(error))
        case client.errors.Unavailable():
            return errors.ServerAway(f"{error}; the server cannot do it now, try again")
        case client.errors.JobFailed() | client.errors.DeployFailed() | client.errors.Gone():
            return errors.Failed(str(error))
        case client.errors.Unauthorized():
            return errors.WrongUse(f"{error} (PANINI_KEY gives a key)")
        case _:
            return errors.WrongUse(str(error))
