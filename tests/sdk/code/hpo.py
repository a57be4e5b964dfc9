"""Trains a small convolutional network on a folder of pictures."""
import argparse
import os
import pathlib

import numpy
import torch
from PIL import Image
from torch import nn


def read(path):
    pixels = numpy.asarray(Image.open(path).convert("RGB").resize((16, 16)), dtype="float32") / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--data", default=os.environ["SM_CHANNEL_TRAINING"])
    parser.add_argument("--model_dir", default=os.environ["SM_MODEL_DIR"])
    arguments = parser.parse_args()
    classes = sorted(entry.name for entry in pathlib.Path(arguments.data).iterdir())
    images = [(read(path), label) for label, name in enumerate(classes) for path in pathlib.Path(arguments.data, name).iterdir()]
    loader = torch.utils.data.DataLoader(images, batch_size=arguments.batch_size, shuffle=True)
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, len(classes)))
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
    for epoch in range(arguments.epochs):
        total = 0.0
        for batch, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch}: Testing Loss: {total / len(images):.4f}", flush=True)
    print("hosts", os.environ["SM_HOSTS"], "this one", os.environ["SM_CURRENT_HOST"])
    torch.save({"model": model.state_dict(), "classes": classes}, os.path.join(arguments.model_dir, "model.pth"))


if __name__ == "__main__":
    main()
