"""Models that misbehave: every job ends, says why, and harms neither its neighbours nor the next."""

from typing import Any

import pytest

from panini.client import Client, errors
from tests.e2e import kit

NAUGHTY = (
    "import os, sys, time, ctypes\n"
    "def predict(inputs):\n"
    "    out = []\n"
    "    for x in inputs:\n"
    "        if x == 'raise': raise ValueError('not today')\n"
    "        if x == 'wrong-length': return []\n"
    "        if x == 'too-many': return [1, 2, 3]\n"
    "        if x == 'none': return None\n"
    "        if x == 'no-json': out.append(object()); continue\n"
    "        if x == 'nan': out.append(float('nan')); continue\n"
    "        if x == 'cycle':\n"
    "            a = []; a.append(a); out.append(a); continue\n"
    "        if x == 'deep':\n"
    "            a = []\n"
    "            for _ in range(5000): a = [a]\n"
    "            out.append(a); continue\n"
    "        if x == 'exit': sys.exit(3)\n"
    "        if x == 'os-exit': os._exit(4)\n"
    "        if x == 'segfault': ctypes.string_at(0)\n"
    "        if x == 'hang': time.sleep(3600)\n"
    "        if x == 'spin':\n"
    "            while True: pass\n"
    "        if x == 'interrupt': raise KeyboardInterrupt\n"
    "        if x == 'recursion':\n"
    "            def f(n): return f(n + 1)\n"
    "            f(0)\n"
    "        if x == 'invalid':\n"
    "            import panini\n"
    "            raise panini.InvalidInput('say please')\n"
    "        out.append(x)\n"
    "    return out\n"
)
FILES = {"predict.py": NAUGHTY, "panini.toml": "timeout = 1.0\ncache = false\n"}
BATCHED = FILES | {"panini.toml": "timeout = 1.0\ncache = false\nbatch = true\nmax_batch = 16\n"}

ENDS: dict[str, tuple[str, str]] = {
    "raise": ("predict_error", "ValueError: not today"),
    "no-json": ("invalid_output", "object"),
    "nan": ("invalid_output", "nan"),
    "cycle": ("invalid_output", ""),
    "deep": ("invalid_output", ""),
    "exit": ("predict_error", "sys.exit(3)"),
    "os-exit": ("crashed", "exit code 4"),
    "segfault": ("crashed", "SIGSEGV"),
    "hang": ("timeout", "longer than 1 s"),
    "spin": ("timeout", "longer than 1 s"),
    "interrupt": ("predict_error", "KeyboardInterrupt"),
    "recursion": ("predict_error", "RecursionError"),
    "invalid": ("invalid_input", "say please"),
}


@pytest.mark.parametrize("word", ENDS)
def test_a_job_that_misbehaves_fails_with_its_reason_and_the_next_succeeds(
    stack: kit.Stack, client: Client, word: str
) -> None:
    model = stack.deploy(FILES)
    # When predict misbehaves
    with pytest.raises(errors.JobFailed) as caught:
        client.predict(model, word, timeout=60)
    # Then the job says why
    kind, message = ENDS[word]
    found = caught.value.job.error
    assert found is not None
    assert found.type == kind, found
    assert message.lower() in found.message.lower()
    # ... and the next one is answered
    assert client.predict(model, "well", timeout=60) == "well"


@pytest.mark.parametrize("word", ["wrong-length", "too-many", "none"])
def test_a_model_that_declared_itself_batchable_must_keep_the_length(
    stack: kit.Stack, client: Client, word: str
) -> None:
    model = stack.deploy(BATCHED)
    with pytest.raises(errors.JobFailed) as caught:
        client.predict(model, word, timeout=60)
    found = caught.value.job.error
    assert found is not None
    assert (found.type, "1" in found.message) == ("invalid_output", True), found
    assert client.predict(model, "well", timeout=60) == "well"


@pytest.mark.parametrize("files", [FILES, BATCHED], ids=["one-by-one", "batched"])
def test_the_neighbours_of_every_killer_are_answered(stack: kit.Stack, client: Client, files: dict[str, str]) -> None:
    """Catches a batch failed whole (bisect.split) and neighbours charged for a crash (`innocent` in unfinished)."""
    # Given one record with every kind of trouble among good inputs
    model = stack.deploy(files)
    inputs: list[Any] = [word for place, bad in enumerate(ENDS) for word in (bad, place)]
    jobs = client.submit_many(model, [*inputs, "last"], concurrency=1)
    # Then each bad one failed for its own reason, and every other got its answer
    for sent, job in zip([*inputs, "last"], jobs, strict=True):
        ended = job.wait(120)
        if sent in ENDS:
            assert ended.error is not None
            assert ended.error.type == ENDS[sent][0], (sent, ended.error)
        else:
            assert ended.output == sent
