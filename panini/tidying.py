"""What removed models left in a home: their workers' files, and what these made."""

import pathlib

from panini.stack import home
from wire import specs
from workers import leftovers


def clear(place: home.Home, models: list[specs.Model], removed: list[specs.Model]) -> list[str]:
    """Delete what is of no use to `models`, all there are; the names of what went. Blocks. Raises OSError."""
    workers = {f"worker.{one.account}.{one.model}" for one in models}
    gone = [path for path in _files(place) if path.name.rsplit(".", 2)[0] not in workers]
    for path in gone:
        path.unlink(missing_ok=True)
    return [*leftovers.clear(place.root, models, removed), *(path.name for path in gone)]


def _files(place: home.Home) -> list[pathlib.Path]:
    """Of workers that run or ran: `worker.{account}.{model}.{number}.…`. Not those that say who runs now."""
    return [*place.logs.glob("worker.*.*.*.log"), *place.run.glob("worker.*.*.*.ready")]
