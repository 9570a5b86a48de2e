"""Templates to HTML. Everything that is put in is escaped; what is not there is an error, not a blank."""

import datetime as dt
import json
from typing import Any, Final

import jinja2

from dashboard import assets, shown, snippets

HTMX: Final = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "refreshOnHistoryMiss": True,
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "[45]..", "swap": True},
        ],
    }
)
"""A refusal is a partial, too: it is swapped in where the answer would be."""


class Given(dict[str, str]):
    """What a form was sent with, to fill it in again; what it was not sent with is empty."""

    def __missing__(self, name: str) -> str:
        return ""


class Pages:
    """The environment of all templates."""

    def __init__(self, files: assets.Assets) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("dashboard"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "static": files.url,
            "htmx_config": HTMX,
            "bar": shown.bar,
            "total": shown.total,
            "curl": snippets.curl,
            "document": shown.document,
        }
        self._environment.filters |= {
            "ago": lambda text: shown.ago(text, dt.datetime.now(dt.UTC)),
            "clock": shown.clock,
            "day": shown.day,
            "between": shown.between,
            "capitalize_first": lambda text: text[:1].upper() + text[1:],
            "duration": shown.duration,
            "size": shown.size,
        }

    def render(self, template: str, **context: Any) -> str:
        """A page or a partial."""
        return self._environment.get_template(template).render(context)

    def macro(self, template: str, name: str, *arguments: Any) -> str:
        """One macro of a template's: the partial that a page and its stream share."""
        module = self._environment.get_template(template).module
        return str(getattr(module, name)(*arguments))
