#!/usr/bin/env bash
# Usage: eval "$(scripts/chromium.sh)"
#
# Prints OPSML_TEST_CHROMIUM, the browser in which the tests look at the report. As root it installs Debian's `chromium` if
# there is none: about 100 MB to download, 400 MB on disk.
set -euo pipefail

finish() { printf 'export OPSML_TEST_CHROMIUM=%q\n' "$(command -v chromium)"; exit 0; }
! command -v chromium >/dev/null || finish
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "chromium: missing, and only root can install it: apt-get install chromium" >&2
    exit 1
fi
echo "chromium: installing Debian's package, once" >&2
install() { DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends chromium fonts-dejavu-core >&2; }
# The lists of packages may be missing or old.
install 2>/dev/null || { apt-get update --quiet=2 >&2 && install; } ||
    { echo "chromium: apt-get can't install it: check the network and /etc/apt" >&2; exit 1; }
finish
