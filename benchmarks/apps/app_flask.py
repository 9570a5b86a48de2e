# mypy: ignore-errors
"""Flask with the model inside."""

import flask
import model

app = flask.Flask("bench")


@app.post("/predict")
def predict():
    """The answer."""
    values = flask.request.get_json()["input"]
    if not isinstance(values, list) or not all(isinstance(value, (int, float)) for value in values):
        return {"error": "input must be a list of numbers"}, 422
    return {"output": model.one(values)}
