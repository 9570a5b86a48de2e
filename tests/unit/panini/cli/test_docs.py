"""The pages say what the code does: commands, options, errors, examples."""

import ast
import inspect
from pathlib import Path

import pytest

from panini.cli import inputs, program
from panini.client import bundle, calls, errors, values
from registry import checks
from wire import specs

ROOT = Path(__file__).parents[4]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/README.md"))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", list(program.COMMANDS))
def test_every_command_is_in_its_page(command: str) -> None:
    text = page("cli.md")

    assert any(f"{before}{command}" in text for before in ("panini ", "· "))


@pytest.mark.parametrize("option", specs.Options.__struct_fields__)
def test_every_option_of_panini_toml_is_in_its_page(option: str) -> None:
    assert f"| `{option}` |" in page("writing-a-model.md")


def test_every_error_and_argument_of_the_client_is_in_its_page() -> None:
    text = page("client.md")
    kinds = [name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]

    missing = [name for name in [*kinds, *calls.Words.__annotations__] if f"`{name}`" not in text]

    assert missing == []


@pytest.mark.parametrize("name", ["client.md", "writing-a-model.md"])
def test_python_in_the_pages_is_python(name: str) -> None:
    for block in page(name).split("```python\n")[1:]:
        code = block.split("```")[0]
        compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_examples_pass_the_checks_of_an_upload(folder: Path) -> None:
    kind = bundle.declared(folder).get("input", "json")
    sample_file = inputs.sample_of(folder, kind)
    assert sample_file is not None

    checked = checks.bundle(checks.folder(folder), sample=values.encode(inputs.from_file(sample_file, kind)), given={})

    assert checked.options.input == kind
    assert bundle.plan(folder).length < 200_000
