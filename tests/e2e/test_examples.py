"""Each folder under examples/ deploys as it is, with its own sample, and answers."""

import json
import pathlib
from typing import Any

import pytest

from panini.client import Client
from tests.e2e import kit

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def sample(name: str) -> Any:
    """The example's own sample input."""
    text, picture = EXAMPLES / name / "sample.json", EXAMPLES / name / "sample.png"
    return json.loads(text.read_text()) if text.exists() else picture.read_bytes()


def called(stack: kit.Stack, client: Client, name: str) -> Any:
    """What the deployed example answers to its sample."""
    version = client.deploy(EXAMPLES / name, f"example-{name}", sample=sample(name))
    assert version.state == "live"
    return client.submit(f"example-{name}", sample(name), wait=60).result(60)


def test_every_example_is_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {
        "iris",
        "digits",
        "image",
        "plain",
        "thumbnail",
    }


def test_iris(stack: kit.Stack, client: Client) -> None:
    assert "setosa" in json.dumps(called(stack, client, "iris"))


def test_plain(stack: kit.Stack, client: Client) -> None:
    assert called(stack, client, "plain")


def test_image(stack: kit.Stack, client: Client) -> None:
    assert called(stack, client, "image")


def test_thumbnail(stack: kit.Stack, client: Client) -> None:
    assert called(stack, client, "thumbnail")[:4] in {b"\x89PNG", b"\xff\xd8\xff\xe0"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_digits(stack: kit.Stack, client: Client) -> None:
    """Installs torch: gigabytes."""
    assert called(stack, client, "digits") is not None
