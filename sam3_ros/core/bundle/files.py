"""The files of a bundle: inside its folder, and byte for byte what the manifest says."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from sam3_ros.core.bundle.manifest import FileRef
from sam3_ros.core.errors import BundleError, ChecksumError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """A model file on disk."""

    path: Path
    #: Files beside it that it refers to by name; mostly none.
    data: tuple[Path, ...] = ()

    @property
    def bytes(self) -> int:
        """Size with its data files."""
        return sum(path.stat().st_size for path in (self.path, *self.data))


def resolve_inside(folder: Path, relative: str) -> Path:
    """Return the regular file that a manifest's path names.

    Raises BundleError for an absolute path, `..`, a link that leads out of the folder, a file that
    is not there, and anything that is not a regular file.
    """
    steps = PurePosixPath(relative)
    absolute = steps.is_absolute() or PureWindowsPath(relative).anchor
    if absolute or ".." in steps.parts or "\\" in relative or "\0" in relative:
        raise BundleError(
            f"{relative!r} points outside the bundle: a path must be relative to the folder, with "
            f"forward slashes and without '..'"
        )
    try:
        path = (folder / steps).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise BundleError(f"{relative!r} is a link that leads out of the bundle, to {path}")
        if not stat.S_ISREG(path.stat().st_mode):
            raise BundleError(f"{relative!r} is not a regular file")
    except (OSError, RuntimeError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "is missing" if missing else f"cannot be found: {error}"
        raise BundleError(f"{relative!r} {reason}; copy the bundle again") from error
    return path


def describe_file(path: Path, relative: str) -> FileRef:
    """Return path, sha256 and size of a file, as the manifest states them."""
    return FileRef(relative, sha256_of(path), path.stat().st_size)


def verify_files(folder: Path, files: Iterable[FileRef]) -> None:
    """Compare every file with what the manifest says about it.

    Raises BundleError for a path that resolve_inside refuses, ChecksumError for a file of another
    size or content.
    """
    # Sizes first: they cost nothing and find files that were cut short.
    found = [(file, resolve_inside(folder, file.path)) for file in files]
    for file, path in found:
        size = path.stat().st_size
        if size != file.bytes:
            cause = "cut short" if size < file.bytes else "another file"
            raise ChecksumError(
                f"{file.path!r} has {size} bytes, the manifest says {file.bytes}: it is {cause}; "
                f"copy the bundle again"
            )
    for file, path in found:
        try:
            actual = sha256_of(path)
        except OSError as error:
            raise BundleError(f"{file.path!r} cannot be read: {error}") from error
        if actual != file.sha256:
            raise ChecksumError(
                f"{file.path!r} is damaged or swapped: sha256 {actual}, the manifest says "
                f"{file.sha256}; copy the bundle again"
            )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
