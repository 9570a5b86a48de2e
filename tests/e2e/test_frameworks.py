"""Models of each framework really deployed, and what an author is told who made one of the well-known mistakes.

Slow: it installs torch and fastai from the package index. The torch environment is the one of examples/digits.
"""

import pathlib

import httpx
import pytest

from panini.client import Client
from panini.client import errors as client_errors
from tests.e2e import kit

TORCH = (pathlib.Path(__file__).parents[2] / "examples" / "digits" / "requirements.txt").read_text()

FASTAI = """
import tempfile

from fastai.basics import *


class Line(Module):
    def __init__(self):
        self.line = nn.Linear(1, 1)

    def forward(self, x):
        return self.line(x)


def load(path):
    x = torch.linspace(-1, 1, 64).unsqueeze(1)
    loaders = DataLoaders.from_dsets(
        list(zip(x, 3 * x + 1)), list(zip(x, 3 * x + 1)), bs=16, num_workers=0, device="cpu"
    )
    learner = Learner(loaders, Line(), loss_func=nn.MSELoss(), lr=0.1, path=tempfile.mkdtemp())
    with learner.no_logging():
        learner.fit(30)
    learner.save("line")
    return learner.load("line")


def predict(learner, inputs):
    with torch.inference_mode():
        return learner.model(torch.tensor(np.stack(inputs))).squeeze(1).numpy()
"""

NETWORK = """
import torch


def load(path):
    return torch.nn.Linear(4, 2).eval()


def predict(model, inputs):
    with torch.inference_mode():
        return [model(torch.from_numpy(x)).argmax().item() for x in inputs]
"""

STATE_DICT_AS_MODEL = """
import torch


def load(path):
    torch.save(torch.nn.Linear(4, 2).state_dict(), "/tmp/panini-state.pth")
    return torch.load("/tmp/panini-state.pth", weights_only=True).eval()


def predict(model, inputs):
    return [model(x) for x in inputs]
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_fastai_learner_answers(stack: kit.Stack, client: Client) -> None:
    # Given a learner that fastai trained, saved and loaded again
    files = {"predict.py": FASTAI, "requirements.txt": f"{TORCH}fastai>=2.8,<3\n"}
    # When it is deployed and asked
    model = stack.deploy(files, framework="fastai", input="floats", sample=[0.5])
    answer = client.predict(model, [0.5], 120)
    # Then it learned the line 3x + 1
    assert answer == pytest.approx(2.5, abs=0.2)


def test_a_pytorch_model_answers_and_a_wrong_shape_is_explained(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(
        {"predict.py": NETWORK, "requirements.txt": TORCH}, framework="pytorch", input="floats", sample=[1, 2, 3, 4]
    )
    assert client.predict(model, [1, 2, 3, 4], 120) in {0, 1}
    # When an input has another shape than the network takes
    wrong = client.submit(model, [1, 2, 3], wait=60)
    # Then that job alone fails, with torch's own words
    with pytest.raises(client_errors.JobFailed, match="shapes cannot be multiplied"):
        wrong.result(60)


def test_an_input_of_the_wrong_type_is_refused_at_the_door(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(
        {"predict.py": NETWORK, "requirements.txt": TORCH}, framework="pytorch", input="floats", sample=[1, 2, 3, 4]
    )
    with pytest.raises(client_errors.Refused, match="a list of numbers"):
        client.submit(model, ["one", "two"])


def test_a_state_dict_taken_for_a_model_is_explained_in_the_log(stack: kit.Stack, client: Client) -> None:
    # Given the commonest mistake with torch: the weights file holds tensors, not a model
    with pytest.raises(client_errors.DeployFailed) as failed:
        stack.deploy(
            {"predict.py": STATE_DICT_AS_MODEL, "requirements.txt": TORCH}, name="mistaken", framework="pytorch"
        )
    # Then the author's own traceback and the way out are in the log
    log = client.log("mistaken", failed.value.version.version)
    assert failed.value.version.failed_step == "load"
    assert "OrderedDict" in str(log)
    assert "load_state_dict" in str(failed.value)


BATCH = """
import torch


def load(path):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)){evaluated}


def predict(model, inputs):
    with torch.inference_mode():
        return {answers}
"""
STACKED = "model(torch.stack([torch.from_numpy(x) for x in inputs]))"


VERIFIED = {
    # kind → is the model evaluated · what predict() returns · batches · why
    "a tensor": (".eval()", STACKED, "open", "what each gives alone"),
    "an array": (".eval()", f"{STACKED}.numpy()", "open", "what each gives alone"),
    "dropout left on": ("", STACKED, "closed", "is random or remembers earlier calls"),
    "inputs mixed up": (".eval()", f"{STACKED}.max(0).values.repeat(len(inputs), 1)", "closed", "alone it answers"),
}


@pytest.mark.parametrize("kind", VERIFIED)
def test_batches_of_real_tensors_are_verified(stack: kit.Stack, client: Client, http: httpx.Client, kind: str) -> None:
    evaluated, answers, batching, why = VERIFIED[kind]
    # Given a network that takes its inputs in one call, deployed without a word about batches
    code = BATCH.format(evaluated=evaluated, answers=answers)
    model = stack.deploy({"predict.py": code, "requirements.txt": TORCH}, framework="pytorch", input="floats")
    # When two different inputs came
    for given in ([1, 2, 3, 4], [9, 0, 0, 1]):
        assert len(client.predict(model, given, 120)) == 3

    # Then its author is told whether they come together from now on, and why
    def judged() -> dict[str, str] | None:
        found: dict[str, str] = http.get(f"/v1/models/{model}/versions/1").json()["verdict"]
        return found if found["batching"] != "unproven" else None

    verdict = kit.until(judged, "a verdict")
    assert verdict["batching"] == batching
    assert why in verdict["why"]
