"""Serves a ResNet with FastAPI, PyTorch and torchvision: `torch_serve.py WEIGHTS SIZE PORT`.

POST /invocations takes an image's bytes and answers [[logit, …]], as the worker does.
"""
import io
import sys
import types

# torchvision's compiled operators may need CUDA's libraries; networks and transforms don't use them.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("unused")
import torch
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image
from torchvision import models, transforms

weights, size, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
state = torch.load(weights, weights_only=True)
model = models.resnet18(num_classes=len(state["fc.bias"]))
model.load_state_dict(state)
model.eval()
prepare = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
app = FastAPI()


@app.get("/ping")
def ping():
    return {}


@app.post("/invocations")
async def invocations(request: Request):
    image = Image.open(io.BytesIO(await request.body())).convert("RGB")
    with torch.no_grad():
        return model(prepare(image)[None]).tolist()


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
