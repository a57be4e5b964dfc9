"""Trains a classifier with PyTorch and torchvision as a notebook's script does: `torch_train.py FOLDER SETTINGS`.

SETTINGS is JSON with the worker's hyperparameters arch, fine_tune (head or full), image_size, batch_size, epochs and
learning_rate, and perhaps transform: resize, without which training images are cropped and flipped. The folder has train/, valid/ and test/ with a folder for each class. It prints the accuracy on the test images.
"""
import json
import sys
import types

# torchvision's compiled operators may need CUDA's libraries; networks and transforms don't use them.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("unused")
import torch
from torch import nn
from torchvision import datasets, models, transforms

folder, settings = sys.argv[1], json.loads(sys.argv[2])
size, head_only = settings["image_size"], settings["fine_tune"] == "head"
plain = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
augmented = transforms.Compose(
    [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), transforms.ToTensor()])


def loader(split, transform, shuffle):
    images = datasets.ImageFolder(f"{folder}/{split}", transform)
    return torch.utils.data.DataLoader(images, batch_size=settings["batch_size"], shuffle=shuffle), images.classes


train, classes = loader("train", plain if settings.get("transform") == "resize" else augmented, True)
valid, test = (loader(split, plain, False)[0] for split in ("valid", "test"))
torch.manual_seed(42)
model = getattr(models, settings["arch"])(weights=None)
if head_only:
    for parameter in model.parameters():
        parameter.requires_grad = False
model.fc = nn.Linear(model.fc.in_features, len(classes))
loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.fc.parameters() if head_only else model.parameters(), lr=settings["learning_rate"])


def evaluate(images):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for inputs, labels in images:
            right += (model(inputs).argmax(1) == labels).sum().item()
            total += len(labels)
    return right / total


for _ in range(settings["epochs"]):
    model.train()
    for inputs, labels in train:
        optimizer.zero_grad()
        loss_of(model(inputs), labels).backward()
        optimizer.step()
    evaluate(valid)
print(evaluate(test))
