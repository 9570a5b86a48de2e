"""What a model author may write, and what becomes of it."""

import base64
import sys

import msgspec
import pytest

from wire import jobs
from workers import errors, outcomes

from .conftest import Bench, given, native, plain


async def test_load_and_predict(bench: Bench) -> None:
    # Given the form with load(), and a weights file
    files = {
        "predict.py": "import os\ndef load(path):\n    return open(path).read(), os.getcwd()\n"
        "def predict(model, inputs):\n    return [[model, x] for x in inputs]\n",
        "weights.pkl": "w",
    }
    runner = await bench.start(files, weights="weights.pkl")
    # When it predicts
    ran = await runner.run([given(1)], together=False, timeout=10)
    # Then load() got the file, and the folder was the bundle
    assert plain(ran.outcomes[0]) == [["w", str(bench.home / "versions/default.m/v1")], 1]
    assert runner.facts["form"] == "predict(model, inputs)"


async def test_predict_alone_and_an_imported_load(bench: Bench) -> None:
    source = (
        "from pickle import load\nimport helper\ndef predict(inputs):\n    return [helper.more(x) for x in inputs]\n"
    )
    files = {"main.py": source, "helper.py": "def more(x):\n    return x + 1\n"}
    runner = await bench.start(files, entry="main.py")
    ran = await runner.run([given(1), given(2)], together=False, timeout=10)
    assert [plain(o) for o in ran.outcomes] == [2, 3]


async def test_a_pickle_of_the_notebook_finds_its_class(bench: Bench) -> None:
    source = (
        "import pickle\nclass Net:\n    pass\ndef load(path):\n"
        "    return pickle.loads(b'c__main__\\nNet\\n.')\n"
        "def predict(model, inputs):\n    return [model.__name__]\n"
        "if __name__ == '__main__':\n    raise SystemExit('not to be run')\n"
    )
    runner = await bench.start(source)
    ran = await runner.run([given(1)], together=False, timeout=10)
    assert plain(ran.outcomes[0]) == "Net"


ECHO = "def predict(inputs):\n    return [[type(inputs[0]).__name__, inputs[0]]]\n"
NUMBERS = "def predict(inputs):\n    return [[str(getattr(inputs[0], 'dtype', 'list')), inputs[0]]]\n"


async def test_bytes(bench: Bench) -> None:
    runner = await bench.start(
        "def predict(inputs):\n    return [[type(x).__name__, list(x)] for x in inputs]\n", input=jobs.InputType.BYTES
    )
    encoded = base64.b64encode(b"\x00\xff").decode()
    ran = await runner.run(
        [given(encoded), native(b"\x00\xff"), native(encoded), given("no base64!"), given([1])],
        together=False,
        timeout=9,
    )
    assert [plain(o) for o in ran.outcomes[:3]] == [["bytes", [0, 255]]] * 3
    assert [o.type for o in ran.outcomes[3:] if isinstance(o, outcomes.Failure)] == ["invalid_input"] * 2
    assert "base64" in str(ran.outcomes[3])


@pytest.mark.parametrize("kind", ["ints", "floats", "doubles"])
async def test_numbers_without_numpy_are_lists(bench: Bench, kind: str) -> None:
    runner = await bench.start(NUMBERS, input=jobs.InputType(kind))
    good = [given([1, 2]), given([[1], [2]]), native([3, 4])]
    bad = [given("text"), given([1, "2"]), given({"a": 1}), given(None), given([True]), given(7), native(b"\x01")]
    ran = await runner.run(good + bad, together=False, timeout=10)
    assert [plain(o)[1] for o in ran.outcomes[:3]] == [[1, 2], [[1], [2]], [3, 4]]
    for outcome in ran.outcomes[3:]:
        assert isinstance(outcome, outcomes.Failure), outcome
        assert outcome.type is jobs.ErrorType.INVALID_INPUT
        assert f"takes {kind}" in outcome.message
    assert runner.facts["arrays"] == "lists"


async def test_strings(bench: Bench) -> None:
    runner = await bench.start(ECHO, input=jobs.InputType.STRINGS)
    ran = await runner.run([given("a"), given(["a", "b"]), given(1), given(["a", 1])], together=False, timeout=10)
    assert plain(ran.outcomes[0]) == ["str", "a"]
    assert plain(ran.outcomes[1]) == ["list", ["a", "b"]]
    assert all(isinstance(o, outcomes.Failure) and o.type == "invalid_input" for o in ran.outcomes[2:])


async def test_json_and_what_is_none(bench: Bench) -> None:
    runner = await bench.start("def predict(inputs):\n    return [[x] for x in inputs]\n")
    deep = b"[" * 100_000 + b"]" * 100_000
    raws = [b'{"a": [1, null, 0.5]}', b"{broken", b"NaN", deep, b"\xff"]
    inputs = [b"\xc9" + len(raw).to_bytes(4, "big") + b"\x01" + raw for raw in raws]
    ran = await runner.run([*inputs, b"\xc1", native(2**63)], together=False, timeout=10)
    assert plain(ran.outcomes[0]) == [{"a": [1, None, 0.5]}]
    assert [getattr(o, "type", None) for o in ran.outcomes[1:6]] == ["invalid_input"] * 5
    assert plain(ran.outcomes[6]) == [2**63]


async def test_what_predict_may_raise(bench: Bench) -> None:
    source = """
import panini, sys
class Odd(Exception):
    def __str__(self):
        raise ValueError("no words")
def deep(x):
    return deep(x)
def helper():
    raise KeyError("gone")
def predict(inputs):
    match inputs[0]:
        case 0: helper()
        case 1: raise panini.InvalidInput("too blue")
        case 2: raise panini.Retry("busy", after=7)
        case 3: sys.exit("bye")
        case 4: raise Odd()
        case 5: deep(1)
        case 6: raise MemoryError()
        case 7: raise KeyboardInterrupt()
    return ["fine"]
"""
    runner = await bench.start(source)
    ran = await runner.run([given(n) for n in range(9)], together=False, timeout=10)
    failures = [o for o in ran.outcomes if isinstance(o, outcomes.Failure)]
    assert [f.type.value for f in failures] == [
        "predict_error", "invalid_input", "predict_error", "predict_error", "predict_error", "predict_error",
        "out_of_memory", "predict_error",
    ]  # fmt: skip
    assert failures[0].message == "KeyError: 'gone'"
    assert failures[0].traceback.startswith(
        'Traceback (most recent call last):\n  File "predict.py", line 12, in predict'
    )
    assert "_panini_runner" not in failures[0].traceback
    assert failures[1].message == "too blue"
    assert failures[2].retry_after == 7
    assert "sys.exit('bye')" in failures[3].message
    assert plain(ran.outcomes[8]) == "fine"


async def test_what_predict_may_return(bench: Bench) -> None:
    source = """
import dataclasses, datetime, math
@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date
class Opaque:
    pass
ITSELF = []
ITSELF.append(ITSELF)
def predict(inputs):
    return [{
        "dataclass": Point(1, datetime.date(2026, 1, 2)),
        "set": {3}, "bytes in it": {"b": b"ab"}, "tuple": (1, (2,)), "keys": {1: 2},
        "png": b"\\x89PNG\\r\\n\\x1a\\n...", "raw": b"abc",
        "nan": {"a": [1, math.nan]}, "inf": math.inf, "opaque": {"a": [Opaque()]}, "key": {(1, 2): 3},
        "itself": ITSELF, "surrogate": ["\\ud800"], "large": "x" * 3_000_000, "none": None,
    }[inputs[0]]]
"""
    bench.settings = bench.settings.model_copy(update={"runner_max_output": 1 << 20})
    runner = await bench.start(source)
    good = ["dataclass", "set", "bytes in it", "tuple", "keys", "none"]
    media = ["png", "raw"]
    bad = ["nan", "inf", "opaque", "key", "itself", "surrogate", "large"]
    ran = await runner.run([given(name) for name in good + media + bad], together=False, timeout=10)
    assert [plain(o) for o in ran.outcomes[:6]] == [
        {"x": 1, "when": "2026-01-02"}, [3], {"b": "YWI="}, [1, [2]], {"1": 2}, None,
    ]  # fmt: skip
    assert [o.media for o in ran.outcomes[6:8] if isinstance(o, outcomes.Output)] == [
        "image/png", "application/octet-stream",
    ]  # fmt: skip
    failures = dict(zip(bad, ran.outcomes[8:], strict=True))
    assert all(isinstance(o, outcomes.Failure) and o.type == "invalid_output" for o in failures.values()), failures
    assert "output['a'][1] is nan" in str(failures["nan"])
    assert "output['a'][0] is a predict.Opaque" in str(failures["opaque"])
    assert "3,000,002 bytes" in str(failures["large"])


async def test_the_tutorial_network_is_handed_back_whole(bench: Bench) -> None:
    runner = await bench.start("def predict(inputs):\n    return ['cat', 1]\n")
    ran = await runner.run([given(0), given(0)], together=False, timeout=10)
    assert [plain(o) for o in ran.outcomes] == [["cat", 1]] * 2


async def test_together(bench: Bench) -> None:
    source = """
def predict(inputs):
    if "raise" in inputs: raise ValueError("one of you")
    if "short" in inputs: return inputs[1:]
    if "dict" in inputs: return {}
    return [x if x != "nan" else float("nan") for x in inputs]
"""
    runner = await bench.start(source)
    fine = await runner.run([given("a"), b"\xc1", given("nan"), given("b")], together=True, timeout=10)
    assert [plain(fine.outcomes[0]), plain(fine.outcomes[3])] == ["a", "b"]
    assert [getattr(o, "type", "") for o in fine.outcomes[1:3]] == ["invalid_input", "invalid_output"]
    raised = await runner.run([given("a"), given("raise")], together=True, timeout=10)
    assert raised.batch_error == "ValueError: one of you"
    assert all(isinstance(o, outcomes.Failure) for o in raised.outcomes)
    alone = await runner.run([given("raise")], together=True, timeout=10)
    assert alone.batch_error is None
    assert isinstance(alone.outcomes[0], outcomes.Failure)
    for word in ("short", "dict"):
        wrong = await runner.run([given("a"), given(word)], together=True, timeout=10)
        assert wrong.batch_error is None
        assert [getattr(o, "type", "") for o in wrong.outcomes] == ["invalid_output"] * 2
        assert "2 inputs" in str(wrong.outcomes[0])


async def test_generators_and_async(bench: Bench) -> None:
    source = """
import asyncio
def predict(inputs):
    async def later():
        await asyncio.sleep(0)
        return [inputs[0] + 1]
    def steps():
        yield from range(inputs[0])
    async def both():
        for n in range(inputs[0]):
            yield n
    return {1: later, 2: steps, 3: both}[inputs[0]]()
"""
    runner = await bench.start(source)
    ran = await runner.run([given(1), given(2), given(3)], together=False, timeout=10, ids=["a", "b", "c"])
    assert [plain(o) for o in ran.outcomes] == [2, [0, 1], [0, 1, 2]]
    assert {e.name for e in bench.events} == {"output"}
    assert [(e.id, e.value) for e in bench.events] == [("b", b"0"), ("b", b"1"), ("c", b"0"), ("c", b"1"), ("c", b"2")]


async def test_the_shim_and_the_models_own_msgpack(bench: Bench) -> None:
    files = {
        "predict.py": "import panini, msgpack, sys\ndef predict(inputs):\n    panini.progress(0.5, 'half')\n"
        "    return [[msgpack.OWN, [m for m in sys.modules if m.startswith('msgpack')]]]\n",
        "msgpack.py": "OWN = 'the model has its own'\n",
    }
    runner = await bench.start(files)
    ran = await runner.run([given(1)], together=False, timeout=10, ids=["j"])
    assert plain(ran.outcomes[0]) == ["the model has its own", ["msgpack"]]
    assert [(e.id, e.name, e.value) for e in bench.events] == [("j", "progress", [0.5, "half"])]


async def test_prints_are_the_log(bench: Bench) -> None:
    source = (
        "import os, sys\nprint('loading')\ndef predict(inputs):\n    print('out')\n    print('err', file=sys.stderr)\n"
        "    os.write(1, b'from C\\n')\n    return [1]\n"
    )
    runner = await bench.start(source)
    assert plain((await runner.run([given(1)], together=False, timeout=10)).outcomes[0]) == 1
    for text in ("loading", "out", "err", "from C"):
        await bench.logged(text)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\n", "no function predict"),
        ("def predict(\n", "SyntaxError"),
        ("def predict(model, inputs):\n    pass\n", "needs a load(path)"),
        ("def predict(a, b, c):\n    pass\n", "must take (model, inputs)"),
        ("def load(path):\n    raise OSError('no weights')\ndef predict(m, i):\n    pass\n", "OSError: no weights"),
        ("import sys\nsys.exit(3)\n", "sys.exit(3)"),
        ("import os\nos._exit(3)\n", "exit code 3 while loading"),
        ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV"),
    ],
)
async def test_what_does_not_load(bench: Bench, source: str, words: str) -> None:
    with pytest.raises(errors.LoadFailed) as caught:
        await bench.start(source)
    assert words in caught.value.message


async def test_a_load_that_hangs(bench: Bench) -> None:
    with pytest.raises(errors.StartTimeout, match="load_timeout"):
        await bench.start("import time\ntime.sleep(60)\ndef predict(i): pass\n", load_timeout=0.5)


async def test_the_author_sees_a_clean_place(bench: Bench) -> None:
    source = """
import os, sys
def predict(inputs):
    fds = {}
    for fd in os.listdir("/proc/self/fd"):
        try: fds[fd] = os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
        except OSError: pass
    return [[dict(os.environ), fds, sys.argv, sys.path]]
"""
    runner = await bench.start(source, environ={"MINE": "yes", "PANINI_X": "no"})
    environ, descriptors, _, path = plain((await runner.run([given(1)], together=False, timeout=9)).outcomes[0])
    assert environ["MINE"] == "yes"
    assert not [name for name in environ if name.startswith("PANINI")]
    assert environ["HOME"].startswith(str(bench.home / "scratch"))
    assert environ["TORCH_HOME"].startswith(str(bench.home / "cache" / "models" / "default.m"))
    assert set(environ) < {
        "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "PYTHONUTF8", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME",
        "MPLBACKEND", "TOKENIZERS_PARALLELISM", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MINE",
        "LC_CTYPE",
    }  # fmt: skip
    assert sorted(descriptors.values()).count("socket") == 1 + (sys.platform == "darwin")
    assert path[0] == str(bench.home / "versions/default.m/v1")
    assert not [entry for entry in path if "kit" in entry]


def test_the_two_sides_agree() -> None:
    from workers import protocol
    from workers.runner import messages

    names = ["VERSION", "HELLO", "READY", "LOAD_FAILED", "RESULTS", "EVENT", "START", "RUN", "CANCEL", "EXIT"]
    assert [getattr(protocol, n) for n in names] == [getattr(messages, n) for n in names]
    assert protocol.HEADER.format == messages.HEADER.format
    words = [messages.PREDICT_ERROR, messages.INVALID_INPUT, messages.INVALID_OUTPUT, messages.OUT_OF_MEMORY]
    assert all(word in set(jobs.ErrorType) for word in words)
    assert msgspec.json.encode(jobs.ErrorType.CRASHED) == b'"crashed"'
