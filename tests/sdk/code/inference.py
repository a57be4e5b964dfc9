import io
import json
import os

import numpy
import torch
from PIL import Image
from torch import nn


def model_fn(model_dir):
    kept = torch.load(os.path.join(model_dir, "model.pth"), map_location="cpu")
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, len(kept["classes"])))
    model.load_state_dict(kept["model"])
    return model.eval()


def input_fn(body, content_type):
    if content_type == "image/jpeg":
        return Image.open(io.BytesIO(body)).convert("RGB")
    if content_type == "application/json":
        return Image.new("RGB", (16, 16), tuple(json.loads(body)["color"]))
    raise Exception(f"Requested unsupported ContentType: {content_type}")


def predict_fn(image, model):
    pixels = numpy.asarray(image.resize((16, 16)), dtype="float32") / 255
    with torch.no_grad():
        return model(torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0))
