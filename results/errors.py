"""Why the results could not be had."""


class ResultsError(Exception):
    """The results could not be had."""


class StoreUnavailable(ResultsError):
    """Redis is away, refuses the password, or takes no writes now. Nothing was lost: try again."""


class StoreFault(ResultsError):
    """Redis refused a command of ours: a bug, not an outage."""


class NoScript(ResultsError):
    """Redis does not hold the script (it was restarted or flushed): send its text."""


class SendFailed(ResultsError):
    """A webhook did not arrive: its address is refused, unreachable, or silent."""
