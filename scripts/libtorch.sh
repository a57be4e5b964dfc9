#!/usr/bin/env bash
# Usage: eval "$(scripts/libtorch.sh)"
#
# Puts the libtorch that tch 0.26 links into a per-user cache, once, and prints the `export` that
# the build needs. A LIBTORCH or LIBTORCH_USE_PYTORCH of the user's is left as it is.
#
# The x86_64 wheel of PyTorch on PyPI is the CUDA build. Its CPU library stands on its own but for
# two small CUDA libraries, which have wheels too; only libtorch.so itself asks for libtorch_cuda.so.
# So a library with nothing in it that is linked to libtorch_cpu.so takes its place, and the 2 GB of
# CUDA are never fetched.
#
# Download: 540 MB. Disk: 1.2 GB while it works, 0.6 GB for good, in $dir:
#   lib/ include/   what LIBTORCH names
#   python/         the wheel's Python part (CPython 3.11), for tests that ask PyTorch itself
set -euo pipefail

version=2.13.0
requirements="
torch==$version --hash=sha256:60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
"
name=libtorch
. "$(dirname "$0")/cache.sh"
finish() { printf 'export LIBTORCH=%q\n' "$1"; exit 0; }

[ -z "${LIBTORCH_USE_PYTORCH+set}" ] || { echo "export LIBTORCH_USE_PYTORCH=1"; exit 0; }
if [ -n "${LIBTORCH:-}" ]; then
    [ -d "$LIBTORCH/lib" ] || die "LIBTORCH=$LIBTORCH has no lib folder: name a libtorch $version, or unset it"
    finish "$LIBTORCH"
fi

dir=$cache/libtorch-$version
[ ! -d "$dir" ] || finish "$dir"

platform=$(uname -sm)
[ "$platform" = "Linux x86_64" ] || die "no download for $platform: set LIBTORCH to a libtorch $version," \
    "or LIBTORCH_USE_PYTORCH=1 where python3 has PyTorch $version"
"$(dirname "$0")/need.sh" "${CXX:-g++}"
start "$dir" 1300
[ ! -d "$dir" ] || finish "$dir"

say "downloading PyTorch $version, 540 MB, once, into $cache"
mkdir "$partial/wheels"
echo "$requirements" >"$partial/requirements.txt"
# The wheel must be the pinned one whatever python3 is here. Platforms are all named, since pip
# doesn't take an older manylinux for a newer one.
fetch download --implementation cp --python-version 311 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --dest "$partial/wheels" --requirement "$partial/requirements.txt"

say "unpacking"
python3 - "$partial" <<'PY'
import pathlib, shutil, sys, zipfile

root = pathlib.Path(sys.argv[1])
LIBRARIES = {
    "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1",
    "nvidia/cu13/lib/libcupti.so.13", "nvidia/cu13/lib/libcudart.so.13",
    # For the Python part alone:
    "torch/lib/libtorch_python.so", "torch/lib/libshm.so", "torch/lib/libtorch_global_deps.so", "torch/lib/libc10_cuda.so",
}

def place(name):
    """Where a member of a wheel belongs; None leaves it out."""
    if name in LIBRARIES:
        return "lib/" + name.rsplit("/", 1)[1]
    if name.startswith("torch/include/"):
        return name.removeprefix("torch/")
    if name.startswith(("nvidia/", "torch/lib/", "torch/bin/protoc", "torch/share/")):
        return None
    return "python/" + name

try:
    for wheel in (root / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                to = None if member.is_dir() else place(member.filename)
                if to is not None:
                    (root / to).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, open(root / to, "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    (root / to).chmod(member.external_attr >> 16 & 0o777)
    for folder in "lib", "include":
        (root / "python/torch" / folder).symlink_to("../../" + folder)
except OSError as error:
    sys.exit(f"libtorch: unpacking failed: {error}")
PY

say "linking the stand-in for libtorch.so"
# shellcheck disable=SC2016 # $ORIGIN is the loader's
"${CXX:-g++}" -shared -fPIC -x c++ /dev/null -o "$partial/lib/libtorch.so" \
    -Wl,-soname,libtorch.so,-rpath,'$ORIGIN',--no-as-needed -L"$partial/lib" -ltorch_cpu ||
    die "${CXX:-g++} can't link a shared library: is it a working C++ compiler?"
echo $version >"$partial/build-version" # torch-sys compares it with the version that it was made for

rm -rf "$partial/wheels" "$partial/requirements.txt"
keep "$dir"
finish "$dir"
