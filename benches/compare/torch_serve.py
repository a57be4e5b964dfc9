"""Serves a ResNet with FastAPI, PyTorch and torchvision: `torch_serve.py PEERS MODEL SIZE PORT`.

PEERS is the folder with FastAPI and uvicorn, MODEL a folder with model.pth. POST /invocations takes an image's bytes and answers
[[logit, …]], as the worker does.
"""
import io
import sys

# Before the packages that Python has: of one that both have, FastAPI may need the newer.
sys.path.insert(0, sys.argv[1])
import uvicorn
from fastapi import FastAPI, Request

from torch_model import load, prepare, torch

model = load(sys.argv[2])
ready = prepare(int(sys.argv[3]))
app = FastAPI()


@app.get("/ping")
def ping():
    return {}


@app.post("/invocations")
async def invocations(request: Request):
    image = ready(io.BytesIO(await request.body()))
    with torch.no_grad():
        return model(image[None]).tolist()


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[4]), log_level="error")
