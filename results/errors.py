"""Why the results could not be had."""


class ResultsError(Exception):
    """The results could not be had."""


class StoreUnavailable(ResultsError):  # noqa: N818  the word the other packages are built against
    """Redis is away, refuses the password, or takes no writes now. Nothing was lost: try again."""


class StoreFault(ResultsError):  # noqa: N818  says what it is, as its sibling does
    """Redis refused a command of ours: a bug, not an outage."""


class NoScript(ResultsError):  # noqa: N818  Redis' own word
    """Redis does not hold the script (it was restarted or flushed): send its text."""
