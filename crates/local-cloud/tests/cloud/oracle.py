"""Fits a line with PyTorch, as a user's script would. Then it runs AWS's own training toolkit in the same container.
The toolkit runs this file again, and the two environments are compared."""
import json
import os
import pathlib
import subprocess
import sys

base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
# The variables that the toolkit sets. Those with a dash in their name are not compared: the tests start PyTorch's
# Python by a shell script, and shells drop them.
NAMES = ("SM_", "NCCL_", "SAGEMAKER_", "TRAINING_JOB_", "CURRENT_HOST")
OTHERS = {"SM_STUDIO_LOCAL_MODE", "SAGEMAKER_TRAINING_MODULE"}
given = {"argv": sys.argv, "cwd": os.getcwd(), "env": dict(os.environ)}

if os.environ.get("SM_STUDIO_LOCAL_MODE"):
    (pathlib.Path(os.environ["HOME"]) / "toolkit.json").write_text(json.dumps(given))
    sys.exit()

import torch

torch.manual_seed(0)
x = torch.linspace(-1, 1, 64)[:, None]
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=json.loads(os.environ["SM_HPS"])["learning-rate"])
for step in range(200):
    loss = ((model(x) - 3 * x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss={loss.item():.6f};", flush=True)
torch.save(model.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "model.pth"))

# Host names can't be resolved here. SM_STUDIO_LOCAL_MODE keeps the toolkit from trying.
platform = ("AWS_", "HOME", "PATH", "LANG", "TZ", "TMPDIR", "NO_PROXY", "SAGEMAKER_BASE_DIR", "TRAINING_JOB_",
            "OMP_", "MKL_", "OPENBLAS_", "LD_LIBRARY_PATH")
start = {name: value for name, value in os.environ.items() if name.startswith(platform)}
start |= {"SM_STUDIO_LOCAL_MODE": "true", "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
          "PYTHONPATH": ":".join([os.environ["TOOLKIT"], *(path for path in sys.path[1:] if path != str(base / "code"))]),
          "TOOLKIT": os.environ["TOOLKIT"]}
run = subprocess.run([sys.executable, "-c", "from sagemaker_training.cli.train import main; main()"], env=start,
                     capture_output=True, text=True)
assert run.returncode == 0, run.stdout + run.stderr
toolkit = json.loads((pathlib.Path(os.environ["HOME"]) / "toolkit.json").read_text())
assert toolkit["argv"] == given["argv"] and toolkit["cwd"] == given["cwd"], (toolkit["argv"], given["argv"])
differing = {name: (given["env"].get(name), toolkit["env"].get(name))
             for name in given["env"].keys() | toolkit["env"].keys()
             if name.startswith(NAMES) and name not in OTHERS and "-" not in name
             and given["env"].get(name) != toolkit["env"].get(name)}
assert not differing, differing
assert toolkit["env"]["PYTHONPATH"].split(":")[0] == str(base / "code")
assert len([name for name in given["env"] if name.startswith("SM_")]) > 35
print("the toolkit agrees", flush=True)
