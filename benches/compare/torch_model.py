"""The model and the transforms that both of PyTorch's endpoints have."""
import sys
import types

# torchvision's compiled operators may need CUDA's libraries; networks and transforms don't use them.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("unused")
import torch
from PIL import Image
from torchvision import models, transforms


def load(folder):
    state = torch.load(f"{folder}/model.pth", weights_only=True)
    model = models.resnet18(num_classes=len(state["fc.bias"]))
    model.load_state_dict(state)
    return model.eval()


def prepare(size):
    """Returns what makes a tensor (3 × size × size, 0…1) of an image's file."""
    resize = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
    return lambda file: resize(Image.open(file).convert("RGB"))
