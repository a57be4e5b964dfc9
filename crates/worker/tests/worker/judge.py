"""Compares the networks in a folder with torchvision's: see pytorch.rs. Usage: judge.py FOLDER"""
import json, pathlib, struct, sys, types

# torchvision's compiled operators need CUDA's libraries; its networks don't use them.
sys.modules["torchvision._meta_registrations"] = types.ModuleType("unused")
import torch
import torchvision


def read_safetensors(path):
    """Reads a safetensors file by the format's description: a length, a JSON header, the bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    kinds = {"F32": torch.float32, "I64": torch.int64}
    state = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = torch.frombuffer(bytearray(data[begin:end]), dtype=kinds[entry["dtype"]])
        state[name] = values.reshape(entry["shape"])
    return state


def logits(model, state, images):
    model.load_state_dict(state)  # strict: every name and shape
    with torch.no_grad():
        return model.eval()(images)


torch.manual_seed(5)
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    manifest = json.loads((folder / "classes.json").read_text())
    classes, hidden = len(manifest["classes"]), manifest["head_hidden"]
    model = getattr(torchvision.models, manifest["arch"])(num_classes=classes)
    if hidden:
        inputs = model.fc.in_features
        model.fc = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    images = torch.rand(2, 3, 64, 64)
    model.train()(torch.rand(4, 3, 64, 64))
    theirs = {name: value.clone() for name, value in model.state_dict().items()}
    torch.save(model.state_dict(), folder / "theirs.pth")
    answers = {
        "images": images,
        "theirs": logits(model, theirs, images),
        "ours_from_pth": logits(model, torch.load(folder / "model.pth", weights_only=True), images),
        "ours_from_safetensors": logits(model, read_safetensors(folder / "model.safetensors"), images),
    }
    torch.save(answers, folder / "answers.pth")
