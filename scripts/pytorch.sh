#!/usr/bin/env bash
# Usage: eval "$(scripts/pytorch.sh)"
#
# Makes a Python with PyTorch and torchvision, CPU only, for the tests that hold the worker against them, and prints
# OPSML_PYTORCH, a command that runs it. Where LIBTORCH_USE_PYTORCH is set, that python3 is taken as it is.
#
# PyTorch comes from the cache that libtorch.sh fills, so it is downloaded once. Its Python part is the CUDA build:
# it asks for CUDA's libraries at start, and for names in them, but uses none on a CPU. So small libraries that have
# just those names take their place, and torch.distributed, which does use them, is switched off.
#
# Download: 32 MB (torchvision, NumPy, Pillow and what torch imports). Disk: 230 MB.
set -euo pipefail

name=pytorch
. "$(dirname "$0")/cache.sh"
finish() { printf 'export OPSML_PYTORCH=%q\n' "$1"; exit 0; }
[ -z "${LIBTORCH_USE_PYTORCH+set}" ] || finish "$(command -v python3)"

# The wheel's Python part is for one CPython only.
python=$(command -v python3.11 || command -v python3) || python=python3
"$(dirname "$0")/need.sh" "$python" pip "${CXX:-g++}"
[ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] ||
    die "PyTorch's wheel is for CPython 3.11: install python3.11, or set LIBTORCH_USE_PYTORCH=1 where python3 has PyTorch and torchvision"

requirements=$(dirname "$0")/pytorch-requirements.txt
eval "$(env -u LIBTORCH "$(dirname "$0")/libtorch.sh")"
key=$(cat "$requirements" "$0" | sha256sum | cut -c1-12)
dir=$cache/pytorch-$key
[ ! -d "$dir" ] || finish "$dir/python"
start "$dir" 200
[ ! -d "$dir" ] || finish "$dir/python"

say "installing torchvision and NumPy for the tests, once, into $cache"
# The packages are CPython 3.11's, and so must be the pip that chooses them.
mkdir "$partial/bin"
ln -s "$(readlink -f "$(command -v "$python")")" "$partial/bin/python3"
PATH=$partial/bin:$PATH fetch install --target "$partial/site" --requirement "$requirements"

say "linking stand-ins for the CUDA libraries"
"$python" - "$LIBTORCH" "$partial" "${CXX:-g++}" <<'PY'
import pathlib, subprocess, sys

libtorch, out, cxx = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
stand_ins = out / "lib"
stand_ins.mkdir()

def names(option, library):
    listing = subprocess.run(["nm", "-D", option, library], capture_output=True, text=True, check=True).stdout
    return [(line.split()[-2], line.split()[-1]) for line in listing.splitlines()]

needy = [libtorch / "lib" / name for name in ("libtorch_python.so", "libc10_cuda.so")]
needed = {name for library in needy for kind, name in names("-u", library) if kind == "U"}
present = {name.split("@")[0] for library in (libtorch / "lib").glob("*.so*") for _, name in names("--defined-only", library)}
# A name with a version is the C or C++ library's, CUDA's runtime's (which is there), or cuDNN's (below).
missing = sorted(n for n in needed - present if "@" not in n and not n.startswith(("Py", "_Py")))

# Functions return the address of zeros; type information has a name, which pybind11 hashes.
lines = [".bss", ".balign 16", "zeros: .zero 4096"]
for name in missing:
    if name.startswith("_ZTI"):
        lines += [".data", ".balign 16", f".globl {name}", f"{name}: .quad 0, 1f", f'1: .asciz "{name[4:]}"']
    elif name.startswith("_ZTV"):
        lines += [".data", ".balign 16", f".globl {name}", f"{name}: .zero 512"]
    else:
        lines += [".text", f".globl {name}", f"{name}: lea zeros(%rip), %rax", "ret"]
lines.append('.section .note.GNU-stack,"",@progbits\n')
(out / "cuda.s").write_text("\n".join(lines))
(out / "empty.s").write_text('.section .note.GNU-stack,"",@progbits\n')
(out / "cudnn.s").write_text('.globl cudnnGetProperty\ncudnnGetProperty: mov $1, %eax\nret\n.section .note.GNU-stack,"",@progbits\n')
(out / "cudnn.map").write_text("libcudnn.so.9 { global: cudnnGetProperty; };\n")
for soname, source, *more in (
    ("libtorch_cuda.so", "cuda.s"), ("libcufile.so.0", "empty.s"), ("libnccl.so.2", "empty.s"),
    ("libcudnn.so.9", "cudnn.s", f"-Wl,--version-script={out}/cudnn.map"),
):
    subprocess.run([cxx, "-shared", "-fPIC", out / source, "-o", stand_ins / soname, f"-Wl,-soname,{soname}", *more], check=True)

# The package itself, by links, but for its __init__, which gets one line more.
package = libtorch / "python/torch"
site = out / "site"
(site / "torch/bin").mkdir(parents=True)
(site / "torch/bin/torch_shm_manager").touch()
for entry in package.iterdir():
    if entry.name not in ("__init__.py", "__pycache__", "bin"):
        (site / "torch" / entry.name).symlink_to(entry)
for entry in ("torchgen", "functorch"):
    (site / entry).symlink_to(libtorch / "python" / entry)
line = "    from torch._C import *  # noqa: F403\n"
text = (package / "__init__.py").read_text()
if line not in text:
    sys.exit("pytorch: torch/__init__.py isn't the one that this script knows")
switch_off = '    del sys.modules["torch._C"]._c10d_init, sys.modules["torch._C"]._rpc_init\n'
(site / "torch/__init__.py").write_text(text.replace(line, line + switch_off))
PY
rm "$partial"/*.s "$partial/cudnn.map"

cat >"$partial/python" <<END
#!/bin/sh
# Made by scripts/pytorch.sh: Python with PyTorch and torchvision.
LD_LIBRARY_PATH=$dir/lib PYTHONPATH=$dir/site exec $dir/bin/python3 -W ignore "\$@"
END
chmod +x "$partial/python"
keep "$dir"
finish "$dir/python"
