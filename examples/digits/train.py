"""Trains the network and writes digits.pt. Needs requirements.txt and scikit-learn, which holds the images."""

from pathlib import Path

import torch
from network import Digits
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


def main() -> None:
    torch.manual_seed(0)
    data = load_digits()  # comes with scikit-learn, nothing is downloaded
    images = torch.tensor(data.data, dtype=torch.float32)
    digits = torch.tensor(data.target)
    train, test = train_test_split(range(len(digits)), test_size=0.2, random_state=0, stratify=data.target)
    model = Digits()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[train]), digits[train])
        loss.backward()
        optimizer.step()
    right = (model(images[test]).argmax(dim=1) == digits[test]).float().mean()
    print(f"accuracy on images it has not seen: {right:.3f}")
    torch.save(model.state_dict(), Path(__file__).with_name("digits.pt"))


if __name__ == "__main__":
    main()
