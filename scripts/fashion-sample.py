#!/usr/bin/env python3
"""Makes runbooks/data/fashion-sample.zip and fashion-tiny.zip: balanced cuts of Fashion-MNIST in ImageFolder layout.

Usage: scripts/fashion-sample.py [FOLDER]

The images come from Debian's package `dataset-fashion-mnist` (MIT licence), which apt-get downloads and
dpkg-deb unpacks into a temporary folder; no root is needed. The first images of each class are taken, in
the data set's own order: `train` and then `valid` from its training set, `test` from its test set. Running it
again gives the same bytes: nothing but the standard library is used, and dates and order are fixed.
"""

import gzip
import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

PACKAGE = "dataset-fashion-mnist"
SHA256 = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
# By label, as the data set numbers them.
CLASSES = [
    "t_shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle_boot",
]
# Images of each class to train, validate and test.
SAMPLES = {"fashion-sample.zip": (370, 50, 60), "fashion-tiny.zip": (24, 6, 6)}
MAX_BYTES = 3_000_000


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "runbooks/data"
    with tempfile.TemporaryDirectory() as folder:
        data = download(folder)
        train = by_class(data, "train")
        test = by_class(data, "t10k")
    for name, counts in SAMPLES.items():
        sample(target / name, train, test, *counts)


def sample(target, train, test, trains, valids, tests):
    members = {}
    for name in CLASSES:
        for split, images in [
            ("train", train[name][:trains]),
            ("valid", train[name][trains : trains + valids]),
            ("test", test[name][:tests]),
        ]:
            for index, pixels in images:
                members[f"{split}/{name}/{index:05}.png"] = png(pixels)
    write_zip(target, members)
    size = target.stat().st_size
    print(f"{target}: {len(members)} images, {size} bytes, sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")
    if size >= MAX_BYTES:
        sys.exit(f"{target} is larger than {MAX_BYTES} bytes: take fewer images")


def download(folder):
    """The package's four files, verified: name to content, unpacked."""
    # As root, apt would download as a user who may not enter our folder.
    subprocess.run(["apt-get", "download", "--quiet=2", "--option=APT::Sandbox::User=root", PACKAGE], cwd=folder, check=True)
    (package,) = pathlib.Path(folder).glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package.name, "."], cwd=folder, check=True)
    files = {}
    for name, expected in SHA256.items():
        content = gzip.decompress(pathlib.Path(folder, "usr/share/datasets/fashion-mnist", name).read_bytes())
        if (found := hashlib.sha256(content).hexdigest()) != expected:
            sys.exit(f"{name} of {PACKAGE} has sha256 {found}, not {expected}: the package has changed")
        files[name] = content
    return files


def by_class(data, prefix):
    """The class's name to its images, in order, each with its index in the data set."""
    labels = idx(data[f"{prefix}-labels-idx1-ubyte.gz"], 1)
    images = idx(data[f"{prefix}-images-idx3-ubyte.gz"], 3)
    classes = {name: [] for name in CLASSES}
    for index, (label, pixels) in enumerate(zip(labels, images, strict=True)):
        classes[CLASSES[label]].append((index, pixels))
    return classes


def idx(content, dimensions):
    """The items of an IDX file of bytes: numbers, or 28×28 images as bytes, row by row."""
    magic, count, *shape = struct.unpack(f">{1 + dimensions}I", content[: 4 * (1 + dimensions)])
    body = content[4 * (1 + dimensions) :]
    if magic != 0x0800 + dimensions or shape != [28, 28][: dimensions - 1]:
        sys.exit(f"not the IDX file that was expected: magic {magic:#x}, shape {shape}")
    if dimensions == 1:
        return body
    return [body[at : at + 28 * 28] for at in range(0, count * 28 * 28, 28 * 28)]


def png(pixels):
    """An 8-bit greyscale PNG of 28×28, with the row filters that make it smallest."""
    rows = [pixels[at : at + 28] for at in range(0, 28 * 28, 28)]
    tries = [b"".join(filtered(kind, rows, y) for y in range(28)) for kind in range(5)]
    tries.append(b"".join(smallest_sum(rows, y) for y in range(28)))
    body = min((deflate(scanlines) for scanlines in tries), key=len)
    header = struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def filtered(kind, rows, y):
    """Row `y` under one of PNG's five filters (PNG specification, 9.2), with the filter's byte before it."""
    row, above = rows[y], rows[y - 1] if y else bytes(28)
    out = bytearray([kind])
    for x, value in enumerate(row):
        left, up, corner = (row[x - 1], above[x], above[x - 1]) if x else (0, above[x], 0)
        guess = (0, left, up, (left + up) // 2, paeth(left, up, corner))[kind]
        out.append((value - guess) & 255)
    return bytes(out)


def paeth(left, up, corner):
    estimate = left + up - corner
    return min((left, up, corner), key=lambda candidate: abs(estimate - candidate))


def smallest_sum(rows, y):
    """The specification's advice (12.7): the filter whose bytes, as signed numbers, sum up to the least."""
    return min((filtered(kind, rows, y) for kind in range(5)), key=lambda row: sum(min(b, 256 - b) for b in row[1:]))


def deflate(data):
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)
    streams = (zlib.compressobj(9, zlib.DEFLATED, 9, 9, strategy) for strategy in strategies)
    return min((stream.compress(data) + stream.flush() for stream in streams), key=len)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write_zip(target, members):
    """PNGs are compressed already, so they are stored. A ZIP's dates begin in 1980."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix
            member.external_attr = 0o100644 << 16
            archive.writestr(member, members[name])
    os.replace(partial, target)


if __name__ == "__main__":
    main()
