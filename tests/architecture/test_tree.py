"""What a reader may rely on anywhere in the tree."""

import ast
import pathlib
import re

import pytest

from tests.architecture import tree

LONGEST = 400
"""Lines of a file of the product at most. One past 300 is asking to be two ideas."""

OUTSIDE = ("http://", "https://", "mailto:", "#")


def charter(package: pathlib.Path) -> str | None:
    return ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("package", tree.PACKAGES)
def test_a_package_says_what_lives_there_and_what_does_not(package: str) -> None:
    words = charter(tree.ROOT / package)

    assert words is not None
    assert words.startswith(f"{package}: ")
    assert re.search(r"\b(no|nothing|never|none|not|only)\b", words, re.IGNORECASE), "it says nothing of what stays out"


def test_no_init_file_does_anything_but_name_things() -> None:
    working = []
    for path, text in tree.product().items():
        if path.name == "__init__.py" and path.parts[0] != "panini":
            working += [path for node in ast.parse(text).body if not isinstance(node, ast.Expr)]

    assert working == []


def test_every_module_has_a_docstring() -> None:
    mute = [path for path, text in tree.product().items() if ast.get_docstring(ast.parse(text)) is None]

    assert mute == []


def test_no_file_of_the_product_is_longer_than_it_may_be() -> None:
    sizes = {path: len(text.splitlines()) for path, text in tree.product().items()}
    for path, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size > 300:
            print(f"{path}: {size} lines, is it one idea?")

    assert {path: size for path, size in sizes.items() if size >= LONGEST} == {}


def test_nothing_is_left_for_later() -> None:
    word = re.compile(r"(#|//|--|/\*|\"\"\"|- ).*\b(TODO|FIXME|XXX)\b")
    checks = pathlib.Path(__file__).relative_to(tree.ROOT)

    left = [path for path, text in tree.texts().items() if path != checks and word.search(text)]

    assert left == []


def test_every_link_of_the_pages_leads_somewhere() -> None:
    broken = []
    for page, text in tree.texts().items():
        if page.suffix == ".md":
            prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", prose):
                path = (tree.ROOT / page).parent / target.partition("#")[0]
                if not target.startswith(OUTSIDE) and not path.exists():
                    broken.append(f"{page}: {target}")

    assert broken == []


def test_every_page_of_docs_is_in_its_index() -> None:
    index = (tree.ROOT / "docs" / "README.md").read_text(encoding="utf-8")

    pages = [page.name for page in tree.texts() if page.match("docs/*.md") and page.name != "README.md"]

    assert [page for page in pages if f"({page})" not in index] == []


def test_the_tree_names_no_machine_and_no_registry() -> None:
    machine = re.compile(r"(?<![\w.])/(?:work|root|Users)/\w|/home/(?!USER)\w+/")
    locks = [path for path in tree.texts() if path.name.endswith((".lock", "requirements.txt"))]

    named = [f"{path}: {found.group()}" for path, text in tree.texts().items() if (found := machine.search(text))]
    hosts = [path for path in locks if re.search(r"https?://|--(extra-)?index-url", tree.texts()[path])]

    assert named == []
    assert hosts == []


def test_the_locks_pin_every_dependency() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = [line for line in (tree.ROOT / name).read_text(encoding="ascii").splitlines() if line[:1] != "#"]

        assert [line for line in lines if not re.match(r"[a-z0-9._-]+==[^ ]+( ; .+)?$", line)] == []
