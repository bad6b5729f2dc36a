"""Files that a stranger's bundle might hold: pipes, devices, links, holes, paths that lead out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bundle_spoiling import (
    HostileBundle,
    Make,
    changed_manifest,
    copied,
    put,
    read_manifest,
    replace_file,
    write_manifest,
)


def hostile_bundle_files() -> Iterator[HostileBundle]:
    """Yield a bundle of each known kind."""
    for name, (spoil, reason) in _FILES.items():
        yield HostileBundle(f"files: {name}", spoil, reason)


def _fifo(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    (folder / "bundle.yaml").unlink()
    os.mkfifo(folder / "bundle.yaml")
    return folder


def _manifest_is_a_folder(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    (folder / "bundle.yaml").unlink()
    (folder / "bundle.yaml").mkdir()
    return folder


def _manifest_leads(to: str) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        (folder / "bundle.yaml").unlink()
        (folder / "bundle.yaml").symlink_to(to)
        return folder

    return make


def _tokenizer_is(spoil: Callable[[Path], None]) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        path = folder / str(read_manifest(folder)["concept"]["tokenizer"]["path"])
        path.unlink()
        spoil(path)
        return folder

    return make


def _tokenizer_path(path: str) -> Make:
    return changed_manifest(put("concept", "tokenizer", "path", path))


def _sparse(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    manifest, size = read_manifest(folder), 60 * 10**9
    stage = next(iter(manifest["stages"].values()))
    (file,) = stage["files"].values()
    replace_file(folder / file["path"], b"")
    os.truncate(folder / file["path"], size)
    file["bytes"] = size
    write_manifest(folder, manifest)
    return folder


def _many_sparse(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    manifest, size, count = read_manifest(folder), 50_000_000, 400
    stage = next(iter(manifest["stages"].values()))
    (file,) = stage["files"].values()
    file["data"] = []
    zeros = hashlib.sha256(bytes(size)).hexdigest()
    for number in range(count):
        path = f"fp32/weights{number}.bin"
        replace_file(folder / path, b"")
        os.truncate(folder / path, size)
        file["data"].append({"path": path, "sha256": zeros, "bytes": size})
    write_manifest(folder, manifest)
    return folder


def _huge_manifest(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    replace_file(folder / "bundle.yaml", b"")
    os.truncate(folder / "bundle.yaml", 10**12)
    return folder


_FILES: dict[str, tuple[Make, str]] = {
    "the manifest is a FIFO": (_fifo, "regular file"),
    "the manifest is a folder": (_manifest_is_a_folder, "regular file"),
    "the manifest is a device": (_manifest_leads("/dev/zero"), "out of the bundle"),
    "the manifest leads to itself": (_manifest_leads("bundle.yaml"), "link|found"),
    "the manifest leads out": (_manifest_leads("/etc/hostname"), "out of the bundle"),
    "the manifest leads nowhere": (_manifest_leads("nowhere"), "missing"),
    "a manifest of 1 TB of nothing": (_huge_manifest, "bytes|characters"),
    "a model of 60 GB of nothing": (_sparse, "holes"),
    "20 GB of nothing in 400 files": (_many_sparse, "holes"),
    "a file is a FIFO": (_tokenizer_is(os.mkfifo), "regular file"),
    "a file is a folder": (_tokenizer_is(Path.mkdir), "regular file"),
    "a file leads to a device": (
        _tokenizer_is(lambda path: path.symlink_to("/dev/zero")),
        "out of the bundle",
    ),
    "a file leads out": (
        _tokenizer_is(lambda path: path.symlink_to("/etc/passwd")),
        "out of the bundle",
    ),
    "a file leads to itself": (
        _tokenizer_is(lambda path: path.symlink_to(path.name)),
        "link|found",
    ),
    "a path to the root": (_tokenizer_path("/etc/passwd"), "outside"),
    "a path upwards": (_tokenizer_path("../tokenizer.json"), "outside"),
    "a path upwards, hidden": (_tokenizer_path("fp32/../../tokenizer.json"), "outside"),
    "a path with a drive": (_tokenizer_path("C:/tokenizer.json"), "outside"),
    "a path with a NUL": (_tokenizer_path("tokenizer.json\0"), "outside"),
    "a path with an escape": (_tokenizer_path("\x1b[2Jtokenizer.json"), "x1b"),
    "a path below the kernel": (_tokenizer_path("./proc/self/mem"), "missing"),
    "a path that is the folder": (_tokenizer_path("."), "regular file"),
}
