#!/usr/bin/env bash
# Usage: eval "$(scripts/python-env.sh)"
#
# Installs the Python packages that the tests use as independent judges (python-requirements.txt) into
# the per-user cache, once for each list and Python, and prints OPSML_TEST_PYTHONPATH. `pip install
# --target` does without venv, which Debian leaves out of python3. Download: 15 MB; disk: 30 MB.
set -euo pipefail

name=python-env
. "$(dirname "$0")/cache.sh"
requirements=$(dirname "$0")/python-requirements.txt
"$(dirname "$0")/need.sh" python3
key=$({ python3 --version && cat "$requirements"; } | sha256sum | cut -c1-12)
dir=$cache/python-$key

finish() { printf 'export OPSML_TEST_PYTHONPATH=%q\n' "$1"; exit 0; }
[ ! -d "$dir" ] || finish "$dir"

start "$dir" 100
[ ! -d "$dir" ] || finish "$dir"
say "installing the Python packages of the tests, once, into $cache"
fetch install --target "$partial" --requirement "$requirements"
keep "$dir"
finish "$dir"
