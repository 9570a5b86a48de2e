"""A model as all of its pages show it: head, tabs, and how many of what."""

import asyncio
from typing import Final, NamedTuple

from fastapi.responses import HTMLResponse

from dashboard import errors, guards, records
from wire import names


class Tab(NamedTuple):
    """One of a model's pages."""

    path: str
    """Behind `/models/{model}`."""
    title: str
    figure: str = ""
    """The subject's attribute that the tab shows as a figure."""


TABS: Final = (
    Tab("", "Overview"),
    Tab("/try", "Try it"),
    Tab("/jobs", "Jobs"),
    Tab("/versions", "Versions", "versions"),
    Tab("/logs", "Logs"),
    Tab("/settings", "Settings"),
)
"""A further page of models is one more line here, a route and a template that extends `model.html`."""


class Subject(NamedTuple):
    """The model of a page."""

    model: records.Model
    versions: list[records.Version]
    """Newest first."""

    @property
    def shown(self) -> records.Version:
        """The live version, else the newest."""
        return next((each for each in self.versions if each.version == self.model.live), self.versions[0])

    def version(self, number: int) -> records.Version:
        """One of its versions. Raises NoSuchPage."""
        for each in self.versions:
            if each.version == number:
                return each
        raise errors.NoSuchPage(f"{self.model.model} has no version {number}; its newest is {self.model.newest}.")


async def find(visitor: guards.Visitor, model: str) -> Subject:
    """A visitor's model. Raises NoSuchPage for what cannot be a model's name, and what the API raises."""
    if not names.is_model(model):
        raise errors.NoSuchPage(f"{model[:60]!r} is no model's name.")
    found, versions = await asyncio.gather(visitor.api.model(model), visitor.api.versions(model))
    return Subject(found, versions)


def page(
    visitor: guards.Visitor, template: str, subject: Subject, *, status: int = 200, **context: object
) -> HTMLResponse:
    """One of a model's pages."""
    return visitor.page(template, status=status, subject=subject, model=subject.model, tabs=TABS, **context)
