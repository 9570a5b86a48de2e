"""The network, in a file of its own, so that training and predicting share it."""

from torch import nn


class Digits(nn.Module):
    """Scores of the ten digits for 8 x 8 grey values from 0 to 16."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, images):
        return self.layers(images / 16)
