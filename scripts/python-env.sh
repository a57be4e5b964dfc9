#!/usr/bin/env bash
# Usage: eval "$(scripts/python-env.sh)", or with an argument: toolkit, moto
#
# Installs the Python packages that the tests use as independent judges (python-requirements.txt, or
# ARGUMENT-requirements.txt) into the per-user cache, once for each list and Python, and prints
# OPSML_TEST_PYTHONPATH (OPSML_TEST_TOOLKIT, OPSML_TEST_MOTO). `pip install --target` does without venv, which
# Debian leaves out of python3. Download: 15 MB (10 MB, 30 MB); disk: 30 MB (40 MB, 80 MB).
set -euo pipefail

name=python-env
. "$(dirname "$0")/cache.sh"
case ${1:-} in
"") list=python variable=OPSML_TEST_PYTHONPATH ;;
toolkit) list=toolkit variable=OPSML_TEST_TOOLKIT && "$(dirname "$0")/need.sh" cc ;;
moto) list=moto variable=OPSML_TEST_MOTO ;;
*) die "there is no list $1" ;;
esac
requirements=$(dirname "$0")/$list-requirements.txt
"$(dirname "$0")/need.sh" python3
key=$({ python3 --version && cat "$requirements"; } | sha256sum | cut -c1-12)
dir=$cache/$list-$key

finish() { printf 'export %s=%q\n' "$variable" "$1"; exit 0; }
[ ! -d "$dir" ] || finish "$dir"

start "$dir" 100
[ ! -d "$dir" ] || finish "$dir"
say "installing the Python packages of the tests, once, into $cache"
fetch install --target "$partial" --requirement "$requirements"
keep "$dir"
finish "$dir"
