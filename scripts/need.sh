#!/usr/bin/env bash
# Usage: scripts/need.sh TOOL...
# Says, one line for each, which of the tools are missing and what to install; fails if any is.
set -euo pipefail

missing=0
for tool in "$@"; do
    case $tool in
    pip) python3 -m pip --version >/dev/null 2>&1 && continue ;;
    *) command -v "$tool" >/dev/null && continue ;;
    esac
    case $tool in
    cargo) hint="Rust 1.95 or newer: https://rustup.rs" ;;
    cargo-fmt) hint="rustup component add rustfmt" ;;
    cargo-clippy) hint="rustup component add clippy" ;;
    cargo-*) hint="cargo install --locked $tool" ;;
    cc | g++) hint="a C++ compiler: apt-get install g++" ;;
    pip) hint="pip for python3: apt-get install python3-pip" ;;
    node) hint="Node.js 20 or newer: apt-get install nodejs" ;;
    flock) hint="apt-get install util-linux" ;;
    *) hint="apt-get install $tool" ;;
    esac
    echo "missing: $tool ($hint)" >&2
    missing=1
done
exit $missing
