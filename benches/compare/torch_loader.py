"""Loads images as a notebook's script does, with torchvision and Pillow: `torch_loader.py FOLDER [PASSES]`.

It prints how many training images of a dataset it makes batches of in a second, for each case of the worker's `benches/loader.rs`.
"""
import sys
import time
import types

# torchvision's compiled operators may need CUDA's libraries; transforms don't use them.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("unused")
import torch
from torchvision import datasets, transforms

CASES = {
    "random crops at 224": [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()],
    "whole at 224": [transforms.Resize((224, 224))],
    "whole at 32": [transforms.Resize((32, 32))],
}
folder, passes = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
for name, steps in CASES.items():
    images = datasets.ImageFolder(f"{folder}/train", transforms.Compose([*steps, transforms.ToTensor()]))
    began = time.monotonic()
    for _ in range(passes):
        for _batch in torch.utils.data.DataLoader(images, batch_size=32, shuffle=True):
            pass
    print(f"{name}: {passes * len(images) / (time.monotonic() - began):.1f}")
