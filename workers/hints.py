"""What usually helps: a sentence for the well-known mistakes of each framework, from an exception's text."""

import re
from typing import Final, NamedTuple

from wire import jobs

_ANY: Final = frozenset(jobs.Framework)
_TORCH: Final = frozenset({jobs.Framework.PYTORCH, jobs.Framework.FASTAI})


class _Known(NamedTuple):
    frameworks: frozenset[jobs.Framework]
    pattern: str
    words: str


_HINTS: Final = (
    _Known(
        _ANY,
        r"No module named '(torch|torchvision|fastai|sklearn|numpy|pandas|scipy|PIL|cv2|xgboost|lightgbm|joblib|"
        r"transformers|onnxruntime|tensorflow|yaml)",
        "it is not in requirements.txt: add a line {package}",
    ),
    _Known(
        _ANY,
        r"No module named '([\w.]+)'",
        "add the package that holds {0} to requirements.txt, or its file to the bundle",
    ),
    _Known(
        _ANY,
        r"Can't get attribute '([\w.]+)' on <module '(?:__main__|predict|main)'",
        "the weights were pickled where class {0} was defined in the script or notebook itself: define {0} in "
        "predict.py too, or save only the weights (state_dict)",
    ),
    _Known(
        _ANY,
        r"Can't get attribute '([\w.]+)' on <module '([\w.]+)'",
        "the weights need {0} of {1}, which the installed version of {1} does not have: pin in requirements.txt the "
        "version that you trained with",
    ),
    _Known(
        _ANY,
        r"(InconsistentVersionWarning|incompatible dtype|has no attribute '_?\w+'.*sklearn|numpy\.dtype size changed|"
        r"_ARRAY_API not found|numpy\._core)",
        "the weights were saved with other versions of scikit-learn or numpy: pin the versions that you trained with",
    ),
    _Known(
        _TORCH,
        r"Attempting to deserialize object on (a )?CUDA|Torch not compiled with CUDA|No CUDA GPUs|CUDA device",
        'the weights were saved on a GPU and there is none here: torch.load(path, map_location="cpu")',
    ),
    _Known(
        _TORCH,
        r"'(collections\.)?OrderedDict' object (is not callable|has no attribute '(eval|forward|to|predict)')",
        "the weights file holds a state_dict, not a model: build the model first, then "
        'model.load_state_dict(torch.load(path, map_location="cpu"))',
    ),
    _Known(
        _TORCH,
        r"(Missing|Unexpected) key\(s\) in state_dict|size mismatch for",
        "the weights belong to another network than the class in predict.py: bring the class you trained with",
    ),
    _Known(
        _TORCH,
        r"Weights only load failed|weights_only",
        "torch 2.6 and later load only tensors by default: save a state_dict, or (only for files you trust) "
        "torch.load(path, weights_only=False)",
    ),
    _Known(
        _TORCH, r"[Ee]xpected .*device.*cuda|but found at least two devices", 'keep model and inputs on the "cpu" here'
    ),
    _Known(
        frozenset({jobs.Framework.FASTAI}),
        r"learn(er)?\.pkl|load_learner|export\.pkl",
        "load the file with fastai's load_learner(path), and define in predict.py every function the learner uses",
    ),
    _Known(
        _ANY,
        r"(invalid load key|unpickling|UnpicklingError|pickle data was truncated|PytorchStreamReader failed)",
        "the weights file is not what load() expects (an unfinished copy, a Git LFS pointer, or another format)",
    ),
    _Known(_ANY, r"libGL\.so|libgthread", "use opencv-python-headless instead of opencv-python in requirements.txt"),
    _Known(
        _ANY,
        r"FileNotFoundError|No such file or directory",
        "the working folder is the bundle: use paths relative to it, and upload the file with the bundle",
    ),
    _Known(
        _ANY,
        r"Read-only file system|Permission denied",
        "write to a temporary folder (tempfile) or to TORCH_HOME, HF_HOME",
    ),
    _Known(_ANY, r"out of memory|MemoryError|bad_alloc", "raise memory_mb in panini.toml, or load a smaller model"),
)

_PACKAGES: Final = {"sklearn": "scikit-learn", "PIL": "pillow", "cv2": "opencv-python-headless", "yaml": "pyyaml"}


def hint(framework: jobs.Framework, text: str) -> str | None:
    """A sentence that says what usually helps with this exception's text; None where nothing is known."""
    for known in _HINTS:
        found = re.search(known.pattern, text)
        if found is not None and (framework in known.frameworks or "torch" in text):
            groups = [group or "" for group in found.groups()] or [""]
            return known.words.format(*groups, package=_PACKAGES.get(groups[0], groups[0]))
    return None
