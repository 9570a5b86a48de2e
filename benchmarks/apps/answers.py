# mypy: ignore-errors
"""Inputs for the model mlp and what it answers: `answers.py BUNDLE SEED COUNT FILE`, a line each."""

import importlib.util
import json
import pathlib
import random
import sys

TOGETHER = 500
"""Inputs of one predict() call."""


def main() -> None:
    """Write `input TAB species TAB probability` lines."""
    bundle, seed, count, path = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), pathlib.Path(sys.argv[4])
    spec = importlib.util.spec_from_file_location("predict", bundle / "predict.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    import numpy as np  # noqa: PLC0415  comes with the model

    model, chance = made.load(str(bundle)), random.Random(seed)
    with path.open("w", encoding="ascii") as lines:
        for _ in range(0, count, TOGETHER):
            rows = [[round(chance.gauss(0, 1), 4) for _ in range(made.WIDTH)] for _ in range(TOGETHER)]
            answers = made.predict(model, [np.asarray(row, dtype=np.float32) for row in rows])
            for row, answer in zip(rows, answers, strict=True):
                text = json.dumps(row, separators=(",", ":"))
                lines.write(f"{text}\t{answer['species']}\t{answer['probability']}\n")


if __name__ == "__main__":
    main()
