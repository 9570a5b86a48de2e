"""Deploys that fail never take over, and say which step failed; secrets stay where they belong."""

import pathlib

import pytest

from panini.client import Client, errors
from tests.e2e import kit

BROKEN: dict[str, tuple[dict[str, str | bytes], str, list[str]]] = {
    "requirements": (
        {
            "predict.py": "def predict(inputs):\n    return inputs\n",
            "requirements.txt": "panini-no-such-package==9.9\n",
        },
        "environment",
        ["panini-no-such-package"],
    ),
    "import": (
        {"predict.py": "import torchh\ndef predict(inputs):\n    return inputs\n"},
        "load",
        ["ModuleNotFoundError", "torchh", 'predict.py", line 1'],
    ),
    "weights": (
        {
            "predict.py": (
                "import pickle\ndef load(path):\n    return pickle.load(open(path, 'rb'))\n"
                "def predict(model, inputs):\n    return inputs\n"
            ),
            "weights.pkl": b"version https://git-lfs.github.com/spec/v1\n",
        },
        "load",
        ["UnpicklingError", "line 3"],
    ),
    "sample": (
        {"predict.py": "def predict(inputs):\n    return [x['missing'] for x in inputs]\n"},
        "check",
        ["KeyError", "missing", "line 2"],
    ),
    "exit": ({"predict.py": "import os\nos._exit(5)\ndef predict(inputs): return inputs\n"}, "load", ["exit code 5"]),
    "hang": (
        {
            "predict.py": "import time\ntime.sleep(3600)\ndef predict(inputs): return inputs\n",
            "panini.toml": "load_timeout = 1.0\n",
        },
        "load",
        ["load_timeout"],
    ),
}


@pytest.fixture(scope="module")
def model(stack: kit.Stack) -> str:
    """A model whose version 1 doubles."""
    return stack.deploy(kit.DOUBLE, name="takeover")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_version_says_where_and_why_and_the_live_one_goes_on(
    stack: kit.Stack, client: Client, model: str, name: str
) -> None:
    files, step, words = BROKEN[name]
    # When a version is deployed that cannot work
    lines: list[str] = []
    with pytest.raises(errors.DeployFailed) as caught:
        client.deploy(stack.folder(files), model, sample={"a": 1}, on_line=lambda line: lines.append(line.text))
    # Then it says which step failed, with the author's own traceback
    version = caught.value.version
    assert version.failed_step == step, version
    text = "\n".join([*lines, version.error or ""])
    for word in words:
        assert word in text, text
    # ... and the first goes on
    assert client.model(model).live == 1
    assert client.predict(model, 4) == 8


def test_a_failed_deploy_on_the_command_line_exits_1_with_the_log(stack: kit.Stack, model: str) -> None:
    folder = stack.folder(BROKEN["import"][0] | {"note.txt": "another"})
    done = stack.panini("deploy", str(folder), "--name", model, code=1)
    assert "torchh" in done.stdout + done.stderr
    assert "load" in done.stderr


def test_deploy_shows_progress_log_and_how_to_call(stack: kit.Stack) -> None:
    folder = stack.folder({"predict.py": "def predict(inputs):\n    return [x + 1 for x in inputs]\n"})
    done = stack.panini("deploy", str(folder), "--name", "shown")
    for word in ("done deploying", "/v1/models/shown", "panini.default.shown.jobs", "curl"):
        assert word in done.stdout + done.stderr


def test_a_good_version_takes_over_and_a_rollback_takes_it_back(stack: kit.Stack, client: Client) -> None:
    # Given a live version
    model = stack.deploy(kit.DOUBLE, name="rolling")
    # When another is deployed
    code = "def predict(inputs):\n    return [3 * x for x in inputs]\n"
    client.deploy(stack.folder({"predict.py": code}), model)
    # Then it answers what comes now
    kit.until(lambda: client.predict(model, 10) == 30, "version 2 answers")
    # ... a pin still reaches the first
    assert client.submit(model, 10, version=1, wait=20).output == 20
    # When it is rolled back
    client.rollback(model, 1)
    kit.until(lambda: client.predict(model, 10) == 20, "version 1 answers", within=20)
    # ... and the same folder deployed again is live again
    again = client.deploy(stack.folder({"predict.py": code}), model)
    assert client.model(model).live == again.version
    kit.until(lambda: client.predict(model, 10) == 30, "it answers again", within=20)
    assert client.deploy(stack.folder({"predict.py": code}), model).unchanged


def test_a_version_that_does_not_exist_is_no_reason_to_hang(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    job = client.submit(model, 1, version=99, wait=20)
    assert job.error is not None
    assert job.error.type == "model_unavailable"
    assert "99" in job.error.message


def test_removing_a_model_removes_its_worker(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(kit.ECHO, name="short-lived")
    assert client.predict(model, 1) == 1
    client.remove(model)
    with pytest.raises(errors.NotFound):
        client.predict(model, 1)
    path = stack.home / "run"
    kit.until(lambda: not list(path.glob("worker.default.short-lived*.json")), "its worker ended")


SPY = (
    "import glob, os, socket\n"
    "def reach(address):\n"
    "    try:\n"
    "        with open(address) as f: return f.read()\n"
    "    except Exception as error: return 'refused: ' + type(error).__name__\n"
    "def predict(inputs):\n"
    "    out = []\n"
    "    for x in inputs:\n"
    "        found = {'environ': dict(os.environ), 'files': {p: reach(p) for p in x['paths']}}\n"
    "        found['listed'] = [p for h in x['folders'] for p in glob.glob(h + '/**', recursive=True)]\n"
    "        found['environs'] = [reach(p) for p in glob.glob('/proc/[0-9]*/environ')]\n"
    "        out.append(found)\n"
    "    return out\n"
)


def test_model_code_finds_no_credential(stack: kit.Stack, client: Client) -> None:
    """Catches the installation's folder being shown to runners (sandbox.view), or its environment handed on."""
    # Given every secret of the installation, and a model that looks for them wherever it can
    secrets = {path: path.read_text().strip() for path in (stack.home / "secrets").iterdir()}
    secrets[stack.home / "key"] = stack.key
    assert len(secrets) >= 4
    model = stack.deploy({"predict.py": SPY})
    paths = [str(path) for path in secrets] + [
        str(stack.home / "stack.json"),
        str(stack.home / "registry" / "registry.db"),
    ]
    # When it runs
    found = client.predict(
        model, {"paths": paths, "folders": [str(stack.home / "secrets"), str(stack.home / "registry")]}
    )
    # Then it found none of them
    text = repr(found)
    for path, secret in secrets.items():
        assert secret not in text, pathlib.Path(path).name
    assert all(content.startswith("refused") for content in found["files"].values()), found["files"].keys()
    assert not any(name.startswith("PANINI_") for name in found["environ"])
