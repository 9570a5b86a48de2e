"""What authors write: both forms of 2019, every input type, every kind of output."""

import base64
import json
import pickle
from typing import Any

import httpx
import pytest

from panini.client import Client
from tests.e2e import kit

LOOK = (
    "def predict(inputs):\n"
    "    return [{'type': type(x).__name__, 'dtype': str(getattr(x, 'dtype', '')), "
    "'value': x.hex() if isinstance(x, bytes) else x.tolist() if hasattr(x, 'tolist') else x} for x in inputs]\n"
)


@pytest.mark.parametrize(
    ("kind", "sent", "seen"),
    [
        ("bytes", base64.b64encode(b"\x00\xffhi").decode(), ("bytes", "00ff6869")),
        ("strings", "grüße", ("str", "grüße")),
        ("floats", [5.5, 1], ("list", [5.5, 1.0])),
        ("json", {"a": [1, None, "x"]}, ("dict", {"a": [1, None, "x"]})),
    ],
)
def test_input_types(stack: kit.Stack, client: Client, kind: str, sent: Any, seen: tuple[str, Any]) -> None:
    model = stack.deploy({"predict.py": LOOK, "requirements.txt": ""}, input=kind)
    assert client.predict(model, sent) == {"type": seen[0], "dtype": "", "value": seen[1]}


@pytest.mark.parametrize(("kind", "dtype"), [("ints", "int32"), ("floats", "float32"), ("doubles", "float64")])
def test_numbers_are_numpy_arrays_where_the_model_has_numpy(
    stack: kit.Stack, client: Client, kind: str, dtype: str
) -> None:
    model = stack.deploy({"predict.py": LOOK, "requirements.txt": "numpy\n"}, input=kind)
    assert client.predict(model, [[1, 2], [3, 4]]) == {"type": "ndarray", "dtype": dtype, "value": [[1, 2], [3, 4]]}


def test_load_and_predict_with_a_weights_file(stack: kit.Stack, client: Client) -> None:
    files: dict[str, str | bytes] = {
        "predict.py": (
            "import os, pickle, helper\n"
            "def load(path):\n"
            "    assert os.path.isfile('helper.py'), os.getcwd()\n"
            "    with open(path, 'rb') as f: return pickle.load(f)\n"
            "def predict(model, inputs):\n"
            "    return [helper.scale(model['w'], x) for x in inputs]\n"
        ),
        "helper.py": "def scale(w, x):\n    return w * x\n",
        "weights.pkl": pickle.dumps({"w": 3}),
    }
    assert client.predict(stack.deploy(files), 5) == 15


def test_load_without_weights_gets_the_folder(stack: kit.Stack, client: Client) -> None:
    code = (
        "import os\ndef load(path):\n    return sorted(os.listdir(path))\n"
        "def predict(model, inputs):\n    return [model for _ in inputs]\n"
    )
    assert "predict.py" in client.predict(stack.deploy({"predict.py": code}), 0)


def test_a_module_that_loads_by_itself_in_main_py(stack: kit.Stack, client: Client) -> None:
    code = "TABLE = {'a': 1}\ndef predict(inputs):\n    return [TABLE.get(x) for x in inputs]\n"
    assert client.predict(stack.deploy({"main.py": code}), "a") == 1


def test_a_model_that_declared_itself_batchable_gets_lists(stack: kit.Stack, client: Client) -> None:
    files = {
        # a call costs the same whatever it is given, so that larger batches are plainly worth their while
        "predict.py": (
            "import time\ndef predict(inputs):\n    time.sleep(0.02)\n    return [[x, len(inputs)] for x in inputs]\n"
        ),
        "panini.toml": "batch = true\nmax_batch = 8\n",
    }
    model = stack.deploy(files)
    # When a record brings many jobs at once
    value = json.dumps([{"input": i, "id": f"batched-{i}"} for i in range(120)]).encode()
    stack.produce(model, value)
    # Then they share calls, of the size the author allowed at most
    kit.until(lambda: stack.unread(model) == 0, "they are done")
    found = [client.job(f"batched-{i}", model=model).output for i in range(120)]
    assert [x for x, _ in found] == list(range(120))
    assert max(size for _, size in found) == 8


def test_what_predict_prints_goes_to_the_models_log(stack: kit.Stack, client: Client) -> None:
    code = (
        "import sys\nprint('loading, one moment')\n"
        "def predict(inputs):\n"
        "    print('predicting', inputs)\n    sys.stderr.write('a warning\\n')\n    sys.stdout.write('no newline')\n"
        "    return list(inputs)\n"
    )
    model = stack.deploy({"predict.py": code})
    assert client.predict(model, "value-17") == "value-17"

    def logged() -> bool:
        text = "\n".join(line.text for line in client.log(model))
        return all(words in text for words in ("loading, one moment", "predicting ['value-17']", "a warning"))

    kit.until(logged, "what it printed is in its log")


def test_bytes_out_are_a_file(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    model = stack.deploy(
        {"predict.py": "def predict(inputs):\n    return [b'\\x89PNG' + x for x in inputs]\n"}, input="bytes"
    )
    job = client.submit(model, b"\x00\xff", wait=20)
    assert job.output == b"\x89PNG\x00\xff"
    assert http.get(f"/v1/jobs/{job.id}/output").content == b"\x89PNG\x00\xff"
