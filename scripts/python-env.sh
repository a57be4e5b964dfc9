#!/usr/bin/env bash
# Usage: eval "$(scripts/python-env.sh)", or with an argument: toolkit, moto, judge, lint, editor, bench, sdk2, sdk3
#
# Installs the Python packages that the tests use as independent judges (python-requirements.txt, or
# ARGUMENT-requirements.txt), or the programs of `make lint` and `make test-editor`, into the per-user cache, once for each
# list and Python, and prints OPSML_TEST_PYTHONPATH, or OPSML_TEST_TOOLKIT, OPSML_TEST_MOTO, OPSML_JUDGE_MOTO,
# OPSML_LINT_TOOLS, OPSML_EDITOR_TOOLS, OPSML_BENCH_PEERS, OPSML_TEST_SDK2, OPSML_TEST_SDK3. Where there is an
# ARGUMENT-sources.txt, its sources are unpacked beside the packages. `pip install --target` does without venv, which Debian
# leaves out of python3.
# Download: 16 MB, and for an argument 10 to 30 MB, or 60 MB for `editor`, 80 MB for `bench`, 90 and 300 MB for SageMaker's
# SDKs; disk: 30 MB, and 40 to 150 MB, or 200 MB, 350 MB, 280 MB and 1 GB.
set -euo pipefail

name=python-env
. "$(dirname "$0")/cache.sh"
case ${1:-} in
"") list=python variable=OPSML_TEST_PYTHONPATH ;;
toolkit) list=toolkit variable=OPSML_TEST_TOOLKIT && "$(dirname "$0")/need.sh" cc ;;
moto) list=moto variable=OPSML_TEST_MOTO ;;
judge) list=judge variable=OPSML_JUDGE_MOTO ;;
lint) list=lint variable=OPSML_LINT_TOOLS ;;
editor) list=editor variable=OPSML_EDITOR_TOOLS ;;
bench) list=bench variable=OPSML_BENCH_PEERS ;;
sdk2 | sdk3) list=$1 variable=OPSML_TEST_${1^^} ;;
*) die "there is no list $1" ;;
esac
requirements=$(dirname "$0")/$list-requirements.txt
"$(dirname "$0")/need.sh" python3
sources=$(dirname "$0")/$list-sources.txt
[ -f "$sources" ] || sources=
key=$({ python3 --version && cat "$requirements" ${sources:+"$sources"}; } | sha256sum | cut -c1-12)
dir=$cache/$list-$key

finish() { printf 'export %s=%q\n' "$variable" "$1"; exit 0; }
[ ! -d "$dir" ] || finish "$dir"

start "$dir" 200
[ ! -d "$dir" ] || finish "$dir"
say "installing the packages of $list-requirements.txt, once, into $cache"
fetch install --target "$partial" --requirement "$requirements"
if [ -n "$sources" ]; then
    form=--no-binary=moto fetch download --dest "$partial" --requirement "$sources"
    for archive in "$partial"/*.tar.gz; do
        tar --extract --gzip --directory "$partial" --file "$archive"
        rm "$archive"
    done
fi
keep "$dir"
finish "$dir"
