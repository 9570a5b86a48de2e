"""The worker's side of runners, in its pure parts: protocol, lines, hints, uv's variables, environments' keys."""

import pathlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import jobs
from workers import channel, environments, errors, folders, hints, indexes, logs, outcomes, protocol, sandbox


@given(st.binary(max_size=300))
def test_no_frame_does_more_than_break_the_protocol(body: bytes) -> None:
    try:
        message = protocol.decode(body)
    except errors.ProtocolError:
        return
    assert isinstance(message, list)


@given(st.binary(max_size=400))
def test_no_journal_does_harm(journal: bytes) -> None:
    base, found = protocol.unsent(journal, batch=1)
    assert base >= 0
    assert isinstance(found, list)
    protocol.began(journal, batch=1)


def test_a_journal_is_read_up_to_what_is_torn() -> None:
    items = [msgspec.msgpack.encode(item) for item in (b"1", ["image/png", b"x"], ["predict_error", "m", "t", None])]
    body = b"".join(items)
    journal = struct.pack("<IIIId", 7, 3, 3, len(body), 12.5) + body
    failure = outcomes.Failure(jobs.ErrorType.PREDICT_ERROR, "m", "t")
    expected = [outcomes.Output(b"1"), outcomes.Output(b"x", "image/png"), failure]
    assert protocol.unsent(journal, batch=7) == (3, expected)
    assert protocol.unsent(journal, batch=8) == (0, [])
    assert protocol.unsent(journal[:-1], batch=7) == (0, [])
    assert protocol.began(journal, batch=7) == 12.5
    assert protocol.began(journal, batch=8) is None


@pytest.mark.parametrize("item", [1, "x", [], ["a"], ["no such type", "m", "t", None], ["crashed", "m", "t", "x"], {}])
def test_an_item_of_no_known_form_breaks_the_protocol(item: object) -> None:
    with pytest.raises(errors.ProtocolError):
        protocol.outcome(item)


@given(st.lists(st.binary(max_size=200_000), max_size=4), st.integers(1, 5000))
def test_messages_are_cut_out_of_any_chunks(bodies: list[bytes], chunk: int) -> None:
    got: list[object] = []
    made = channel.Channel(on_message=got.append, on_lost=got.append, limit=1 << 20)
    stream = b"".join(protocol.frame((protocol.READY, body)) for body in bodies)
    for start in range(0, len(stream), max(chunk, len(stream) // 200)):
        data = stream[start : start + max(chunk, len(stream) // 200)]
        while data:
            view = made.get_buffer(-1)
            taken = min(len(view), len(data))
            assert taken > 0
            view[:taken] = data[:taken]
            made.buffer_updated(taken)
            data = data[taken:]
    assert got == [[protocol.READY, body] for body in bodies]


def test_lines_are_cut_and_counted() -> None:
    told: list[str] = []
    lines = logs.Lines(told.append, line_bytes=10, rate=5)
    lines.feed(b"one\r\ntw")
    lines.feed(b"o\n" + b"x" * 50)
    lines.feed(b"y" * 50 + b"\nthree\n")
    assert told == ["one", "two", "x" * 10 + " …", "three"]
    lines.feed(b"n\n" * 1000)
    lines.feed(b"the end")
    lines.close()
    assert len(told) <= 7
    assert "more lines in one second were dropped" in told[-1]


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_lines_hold_little(chunks: list[bytes]) -> None:
    told: list[str] = []
    lines = logs.Lines(told.append, line_bytes=20, rate=1000)
    for chunk in chunks:
        lines.feed(chunk)
        assert len(lines._partial) <= 20
    lines.close()
    assert all(len(line.encode()) <= 20 * 3 + 4 for line in told)


@pytest.mark.parametrize(
    ("framework", "text", "words"),
    [
        ("python", "ModuleNotFoundError: No module named 'sklearn'", "add a line scikit-learn"),
        ("python", "ModuleNotFoundError: No module named 'mine.own'", "mine.own"),
        ("pytorch", "AttributeError: 'collections.OrderedDict' object has no attribute 'eval'", "load_state_dict"),
        ("pytorch", "TypeError: 'OrderedDict' object is not callable", "state_dict"),
        ("pytorch", "RuntimeError: Attempting to deserialize object on a CUDA device", 'map_location="cpu"'),
        ("python", "AttributeError: Can't get attribute 'Net' on <module '__main__' (built-in)>", "define Net in"),
        ("pytorch", "_pickle.UnpicklingError: Weights only load failed. torch", "weights_only=False"),
        ("pytorch", "RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict", "network"),
        ("python", "_pickle.UnpicklingError: invalid load key, 'v'.", "Git LFS"),
        ("fastai", "FileNotFoundError: export.pkl", "load_learner"),
        ("python", "ImportError: libGL.so.1: cannot open shared object file", "opencv-python-headless"),
    ],
)
def test_hints(framework: str, text: str, words: str) -> None:
    assert words in (hints.hint(jobs.Framework(framework), text) or "")


def test_no_hint_where_nothing_is_known() -> None:
    assert hints.hint(jobs.Framework.PYTHON, "ValueError: too blue") is None


def test_uv_is_told_what_pip_was(tmp_path: pathlib.Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\nindex-url = https://a.example/simple\nfind-links = /x\n  /y\n[install]\ntrusted-host = a b\n"
    )
    configured = indexes.pip_files([conf, tmp_path / "absent"])
    assert indexes.variables({}, configured) == {
        "UV_DEFAULT_INDEX": "https://a.example/simple", "UV_FIND_LINKS": "/x,/y", "UV_INSECURE_HOST": "a b",
    }  # fmt: skip
    assert (
        indexes.variables({"PIP_INDEX_URL": "https://b.example"}, configured)["UV_DEFAULT_INDEX"] == "https://b.example"
    )
    assert "UV_DEFAULT_INDEX" not in indexes.variables({"UV_INDEX_URL": "https://c.example"}, configured)
    assert indexes.variables({"PIP_EXTRA_INDEX_URL": "u v", "PIP_CERT": "c"}, {}) == {
        "UV_INDEX": "u v",
        "SSL_CERT_FILE": "c",
    }
    conf.write_text("no ini at all")
    assert indexes.pip_files([conf]) == {}
    assert indexes.pip_paths({"HOME": "/h", "PIP_CONFIG_FILE": "/c"})[-1] == pathlib.Path("/c")


def test_uv_gets_nothing_of_ours(tmp_path: pathlib.Path) -> None:
    home = folders.Folders(home=tmp_path, owner="a.b")
    found = environments.variables(
        {"PANINI_KAFKA_PASSWORD": "x", "HOME": "/h", "AWS_SECRET": "y", "UV_OFFLINE": "1"}, home
    )
    assert "x" not in found.values()
    assert "y" not in found.values()
    assert found["UV_OFFLINE"] == "1"
    assert found["UV_CACHE_DIR"].startswith(str(tmp_path))


def test_equal_requirements_share_an_environment() -> None:
    key = environments.digest(b"numpy==2.1.0\ntorch\n")
    assert environments.digest(b"# mine\nnumpy==2.1.0   # arrays\r\n\r\ntorch") == key
    assert environments.digest(b"numpy==2.1.1\ntorch\n") != key


def test_uvs_words_are_made_a_sentence() -> None:
    boxed = [
        "Resolved",
        "  \u00d7 No solution found:",
        "  \u2570\u2500\u25b6 Because nope was not found",
        "      and so on.",
    ]
    sentence = "requirements.txt cannot be installed: No solution found: Because nope was not found and so on."
    assert environments.explain(boxed) == sentence
    plain = ["error: No solution found", "  cause: Because nope was not found"]
    assert environments.explain(plain) == "requirements.txt cannot be installed: Because nope was not found"
    assert environments.explain(["just", "this"]) == "just this"


def test_a_models_user_is_its_own_and_stays() -> None:
    assert sandbox.uid("default.iris") == sandbox.uid("default.iris")
    assert sandbox.uid("default.iris") != sandbox.uid("default.digits")
    assert 200_000 <= sandbox.uid("x") < 260_000
