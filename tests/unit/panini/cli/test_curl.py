import shlex
from pathlib import Path

import pytest

from panini.cli import curl
from panini.client import address

LOCAL = address.Address(url="http://127.0.0.1:8080", key="pn_secret", key_file=Path("/a b/.panini/key"))


def test_the_key_is_read_where_it_lies_and_never_shown() -> None:
    line = curl.line(LOCAL, "iris", "floats", sample=[5.1])

    assert "pn_secret" not in line
    assert """-H "Authorization: Bearer $(cat '/a b/.panini/key')\"""" in line


def test_a_key_of_the_environment_stays_there() -> None:
    line = curl.line(address.Address(url="http://a.test", key="pn_secret"), "iris", "floats")

    assert '"Authorization: Bearer $PANINI_KEY"' in line
    assert "pn_secret" not in line


def test_without_a_key_none_is_sent() -> None:
    assert "Authorization" not in curl.line(address.Address(url="http://a.test"), "iris", "json")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("ints", '{"input": [1, 2, 3]}'),
        ("strings", '{"input": "hello"}'),
        ("bytes", '{"input": "aGVsbG8="}'),
        (None, '{"input": {"hello": "world"}}'),
    ],
)
def test_without_a_sample_the_input_is_of_the_models_type(kind: str | None, body: str) -> None:
    assert shlex.split(curl.line(LOCAL, "m", kind))[-1] == body


def test_quotes_in_a_sample_survive_the_shell() -> None:
    assert shlex.split(curl.line(LOCAL, "m", "json", sample={"text": "it's"}))[-1] == '{"input": {"text": "it\'s"}}'


def test_a_long_sample_comes_from_its_file() -> None:
    line = curl.line(LOCAL, "m", "floats", sample=[0.5] * 1000, sample_file=Path("/s x/sample.json"))

    assert line.startswith("""printf '{"input": %s}' "$(cat '/s x/sample.json')" | curl""")
    assert len(line) < 400
