"""Writes docs/settings.md from the settings themselves: names, defaults, and the docstring under each field.

`make docs` runs it; tests/docs holds the page against it, so that no setting goes without a line.
"""

import ast
import dataclasses
import importlib
import inspect
import pathlib
import re
from typing import Any, Final

import pydantic

from wire import settings

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "settings.md"
PACKAGES: Final = ("wire", "registry", "results", "ingest", "workers", "dashboard", "k8s", "panini")

SECTIONS: Final = {
    "wire.settings.Connections": "The two engines: every process",
    "wire.settings.Service": "What Panini's processes share: every process",
    "panini.stack.settings.Settings": "The local stack's servers: `panini up`",
    "panini.up.Settings": "The local stack: `panini up`",
    "panini.listening.Settings": "Listening: `panini serve`",
    "panini.logs.Settings": "Logging: every process",
    "registry.settings.Settings": "Models, uploads and topics: `panini serve registry`, `all`",
    "ingest.settings.Settings": "Accepting jobs: `panini serve ingest`, `all`",
    "results.settings.Settings": "Results: `panini serve results`, `all`, and workers",
    "results.settings.Memory": "Memory of results: `panini serve ingest`, `all`",
    "results.settings.Push": "Webhooks: `panini serve results`, `all`",
    "dashboard.settings.Settings": "The pages: `panini serve dashboard`, `all`",
    "workers.settings.Settings": "Consuming and batching: `panini worker`",
    "workers.runner_settings.RunnerSettings": "Runners and builds: `panini worker`",
    "workers.health.HealthSettings": "A worker's probes: `panini worker`",
    "workers.scaling_settings.ScalingSettings": "How many workers: `panini up`, `serve workers`, `scaler`",
    "k8s.settings.Settings": "Workers on Kubernetes: `panini scaler`",
}
"""Settings class → its heading, in the page's order. Those that are not named come last, under their own docstring."""

HEAD: Final = """# Settings

Written by `make docs` from the code; do not edit.

Every setting is a variable `PANINI_…` of the environment. Where `PANINI_SECRETS` names a folder, a file in it named
like the variable in small letters (`panini_kafka_password`) counts as well, so that secrets need not lie in the
environment; the environment wins. The local stack makes such a folder, `secrets` in its home. A value that is not
understood ends the process at its start, naming the setting.

Read by no `Settings` class: `PANINI_URL` and `PANINI_KEY` (where the command line and `panini.client` go, and with
which key), `PANINI_DEBUG` (the command line shows the traceback of a bug), `PANINI_SECRETS` (above).
"""

_COUNTED: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One row."""

    variable: str
    default: str
    words: str


def classes() -> dict[str, type[settings.Base]]:
    """Every settings class of the product, by its full name; found in the source, so that none can be forgotten."""
    found: dict[str, type[settings.Base]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not re.search(r"^class \w+\(.*(Base|Settings)\):", path.read_text(encoding="utf-8"), re.MULTILINE):
                continue
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for name, member in inspect.getmembers(module, inspect.isclass):
                own = member.__module__ == module.__name__
                if own and issubclass(member, settings.Base) and member is not settings.Base:
                    found[f"{member.__module__}.{name}"] = member
    return found


def rows(kind: type[settings.Base]) -> list[Setting]:
    """The settings that a class itself declares, in its order."""
    words = _docstrings(kind)
    return [
        Setting(variable=f"PANINI_{name.upper()}", default=_default(kind.model_fields[name]), words=words.get(name, ""))
        for name in inspect.get_annotations(kind)
        if name in kind.model_fields
    ]


def page() -> str:
    """The whole page."""
    found = classes()
    names = [*(name for name in SECTIONS if name in found), *(name for name in found if name not in SECTIONS)]
    parts = [HEAD]
    for name in names:
        kind = found[name]
        title = SECTIONS.get(name) or (inspect.getdoc(kind) or name).splitlines()[0].rstrip(".")
        lines = [f"\n## {title}\n", "| variable | default | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{row.variable}` | {row.default} | {row.words} |" for row in rows(kind)]
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, pydantic.SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", {}):
        return "none" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int):
        for size, unit in _COUNTED:
            if value >= size and value % size == 0:
                return f"`{value}` ({value // size} {unit})"
    return f"`{value}`"


def _docstrings(kind: type[settings.Base]) -> dict[str, str]:
    """Field → the string under it, on one line."""
    tree = ast.parse(inspect.getsource(kind))
    declared = tree.body[0]
    if not isinstance(declared, ast.ClassDef):
        return {}
    found: dict[str, str] = {}
    for line, below in zip(declared.body, declared.body[1:], strict=False):
        if (
            isinstance(line, ast.AnnAssign)
            and isinstance(line.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[line.target.id] = " ".join(str(below.value.value).split())
    return found


if __name__ == "__main__":
    main()
