# shellcheck shell=bash disable=SC2154  # name: see below
# Sourced by the scripts that fill a folder of the per-user cache once. A folder is made beside its
# place and renamed into it, so one that is there is whole; a lock lets two runs at once share the work.
# The sourcing script sets `name`, which opens its messages.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/opsml

say() { echo "$name: $*" >&2; }
die() { say "$*"; exit 1; }

# start DIR MB: waits for the lock, and makes the folder $partial on a disk with MB free.
# DIR is there afterwards where another run has filled it meanwhile.
start() {
    disk_mb=$2
    "$(dirname "$0")/need.sh" python3 pip flock
    mkdir -p "$cache" 2>/dev/null || die "can't write to $cache: set XDG_CACHE_HOME to a folder that you may write to"
    exec 9>"$cache/$name.lock"
    flock --nonblock 9 || { say "waiting for another run that is filling $1"; flock 9; }
    [ ! -d "$1" ] || return 0
    # The lock is ours, so a folder of this name is what a killed run left.
    partial=$1.partial
    rm -rf "$partial"
    trap 'rm -rf "$partial"' EXIT
    mkdir "$partial"
    local free_mb
    free_mb=$(df -Pm "$cache" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$disk_mb" ] || die "$cache has $free_mb MB free and this needs $disk_mb: free some, or set XDG_CACHE_HOME"
}

# fetch ARGUMENT...: python3 -m pip ARGUMENT..., with pinned hashes, into $partial: from wheels alone, unless $form says otherwise.
fetch() {
    local log quiet=--quiet
    [ ! -t 2 ] || quiet=--progress-bar=on
    exec 3>&2
    # pip's cache would keep a second copy, and its temporary folder may be a small one in memory.
    log=$(TMPDIR=$partial python3 -m pip "$@" $quiet --disable-pip-version-check --no-cache-dir \
        --no-deps --require-hashes "${form:---only-binary=:all:}" 2>&1 1>&3) && return
    case $log in
    *"No space left"*) die "the disk of $cache is full: free $disk_mb MB, or set XDG_CACHE_HOME" ;;
    *"DO NOT MATCH THE HASHES"*) die "a wheel isn't the one that is pinned: check the package index that pip is set to use" ;;
    *"connection broken"* | *"Max retries"* | *"timed out"* | *"No matching distribution"*)
        die "the package index can't be reached, or doesn't have it: check the network, and the proxy or index that pip is set to use" ;;
    *) die "download failed: $(tail -n1 <<<"$log")" ;;
    esac
}

# keep DIR: $partial is whole.
keep() {
    sync -f "$partial" # the rename must not reach the disk before the files
    mv "$partial" "$1"
    say "ready: $1 ($(du -sh "$1" | cut -f1))"
}
