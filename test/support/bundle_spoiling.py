"""A sound bundle in which one thing is changed, with sizes and checksums of what is there then."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

#: From the folder of a sound bundle and one that is not there yet, which it makes and returns.
Make = Callable[[Path, Path], Path]
#: A file's bytes, from the sound one's.
Bytes = Callable[[bytes], bytes]
#: Changes what a manifest says.
Change = Callable[[dict[str, Any]], None]

MB = 1_000_000


@dataclass(frozen=True)
class HostileBundle:
    """One hostile bundle."""

    #: Unique; the part before ": " is what is hostile.
    name: str
    #: From the folder of a sound bundle and a folder that is not there yet, the hostile one.
    make: Make
    #: What the refusal must match.
    reason: str


def copied(good: Path, target: Path) -> Path:
    """Copy a bundle's folder; its files may be replaced there, but not written into."""

    def link(source: str, beside: str) -> str:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copy2(source, beside)
        return beside

    return Path(shutil.copytree(good, target, copy_function=link))


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in place of another, which may have other names."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read_manifest(folder: Path) -> dict[str, Any]:
    return dict(yaml.load((folder / "bundle.yaml").read_text("utf-8"), yaml.CSafeLoader))


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = yaml.dump(manifest, Dumper=yaml.CSafeDumper, sort_keys=False)
    replace_file(folder / "bundle.yaml", text.encode())


def stated(path: str, data: bytes) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def put(*steps_and_value: Any) -> Change:
    """Return what puts a value to a place of the manifest."""
    *steps, last, value = steps_and_value

    def change(manifest: dict[str, Any]) -> None:
        for step in steps:
            manifest = manifest[step]
        manifest[last] = value

    return change


def changed_manifest(change: Change) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        manifest = read_manifest(folder)
        change(manifest)
        write_manifest(folder, manifest)
        return folder

    return make


def with_file(good: Path, target: Path, place: tuple[str, ...], change: Bytes) -> Path:
    folder = copied(good, target)
    manifest = entry = read_manifest(folder)
    for step in place:
        entry = entry[step]
    data = change((folder / entry["path"]).read_bytes())
    entry.update(stated(entry["path"], data))
    replace_file(folder / entry["path"], data)
    write_manifest(folder, manifest)
    return folder
