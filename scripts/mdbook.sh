#!/usr/bin/env bash
# Usage: eval "$(scripts/mdbook.sh)"
#
# Builds mdBook, which has no binary in a package registry, into the per-user cache, once for each version, and prints
# OPSML_MDBOOK. Without optimisation: a book of thirty pages doesn't need it. Disk: 60 MB, and 1 GB meanwhile.
set -euo pipefail

name=mdbook
version=0.5.4
. "$(dirname "$0")/cache.sh"
dir=$cache/mdbook-$version
finish() { printf 'export OPSML_MDBOOK=%q\n' "$dir/bin/mdbook"; exit 0; }
[ ! -d "$dir" ] || finish

"$(dirname "$0")/need.sh" cargo cc
start "$dir" 1500
[ ! -d "$dir" ] || finish
say "building mdBook $version, once, into $cache"
CARGO_TARGET_DIR=$partial/target cargo install --quiet --locked --debug --no-default-features --root "$partial" "mdbook@$version" >&2
rm -rf "$partial/target"
keep "$dir"
finish
