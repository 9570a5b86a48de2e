"""Trains the model and writes iris.joblib. Run it with the packages of requirements.txt."""

from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    data = load_iris()  # comes with scikit-learn, nothing is downloaded
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.2, random_state=0, stratify=data.target
    )
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(train_x, train_y)
    print(f"accuracy on flowers it has not seen: {model.score(test_x, test_y):.3f}")
    joblib.dump(model, Path(__file__).with_name("iris.joblib"), compress=3)


if __name__ == "__main__":
    main()
