"""What can go wrong in the dashboard. No HTTP here: `dashboard.guards` turns these into pages."""

from typing import Any


class DashboardError(Exception):
    """The dashboard cannot show that."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class SignedOut(DashboardError):
    """Sign in to see this page."""


class CrossSite(DashboardError):
    """This form was sent from another site, so nothing was done; open the dashboard and try again there."""


class NoSuchPage(DashboardError):
    """There is no such page."""


class BadInput(DashboardError):
    """The input cannot be read."""


class ApiUnavailable(DashboardError):
    """The API does not answer. Jobs that were accepted are safe; try again in a moment."""


class ApiRefused(DashboardError):
    """The API said no."""

    def __init__(self, status: int, title: str, detail: str, extra: dict[str, Any] | None = None) -> None:
        super().__init__(detail or title)
        self.status = status
        """HTTP status of the API's answer."""
        self.title = title
        self.detail = detail
        """What is wrong and the next step, as the API tells it."""
        self.extra = extra or {}
        """Further members of the problem document, such as `file` and `line` of a bad bundle."""
