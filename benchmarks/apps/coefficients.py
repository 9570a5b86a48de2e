# mypy: ignore-errors
"""Writes benchmarks/iris.json, from which `benchmarks.inputs` knows every right answer without scikit-learn.

    PYTHON benchmarks/apps/coefficients.py      with a Python that has examples/iris/requirements.txt

Needed again only after examples/iris was trained anew: until then every answer of a run would count as wrong.
"""

import json
import pathlib
import sys

import joblib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main() -> None:
    """Scaling and regression as plain numbers."""
    scaler, regression = joblib.load(ROOT / "examples" / "iris" / "iris.joblib")
    sys.path.insert(0, str(ROOT / "examples" / "iris"))
    import predict  # noqa: PLC0415  a file of the example, found only now

    found = {
        "species": list(predict.SPECIES),
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "coefficients": regression.coef_.tolist(),
        "intercept": regression.intercept_.tolist(),
    }
    (ROOT / "benchmarks" / "iris.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
