"""Which digit it is, from 8 x 8 grey values between 0 and 16."""

import numpy as np
import torch
from network import Digits


def load(path):
    model = Digits()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def predict(model, inputs):
    images = torch.from_numpy(np.stack(inputs).reshape(len(inputs), 64))
    with torch.inference_mode():
        probabilities = model(images).softmax(dim=1)
    return [{"digit": int(row.argmax()), "probability": round(float(row.max()), 4)} for row in probabilities]
