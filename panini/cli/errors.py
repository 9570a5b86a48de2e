"""The ends of a command that are not well: an exit code, and one line that says the next step."""


class CommandError(Exception):
    """The command could not be carried out."""

    code = 1

    def __init__(self, message: str = "", *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = type(self).code if code is None else code


class Failed(CommandError):
    """The job or the version failed."""

    code = 1


class WrongUse(CommandError):
    """What was asked cannot be, however often it is asked."""

    code = 2


class ServerAway(CommandError):
    """The server cannot be reached, or cannot do it now: trying again can help."""

    code = 3
