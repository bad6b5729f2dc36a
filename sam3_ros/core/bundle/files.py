"""The files of a bundle: inside its folder, and byte for byte what the manifest says."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from sam3_ros.core.bundle.manifest import FileRef
from sam3_ros.core.errors import BundleError, ChecksumError

CHUNK_BYTES = 1 << 20
#: Of a file, one byte of so many must be on the disk.
_MOST_HOLES = 16
#: Bytes that all files of a bundle together may have beyond that: they cost little to read.
_MORE_HOLES = 100_000_000


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
    sums: dict[tuple[int, int], str] = {}  # of a file with many names, only once
    holes = 0
    for file, path in found:
        try:
            status = path.stat()
            identity = status.st_dev, status.st_ino
            if identity not in sums:
                holes += _holes(file, path)
                if holes > _MORE_HOLES:
                    raise BundleError(
                        f"{file.path!r} has {file.bytes} bytes, and nearly all of it, or of it and "
                        f"the files before it, are holes: it is no model; copy the bundle again"
                    )
                sums[identity] = sha256_of(path)
            actual = sums[identity]
        except OSError as error:
            raise BundleError(f"{file.path!r} cannot be read: {error}") from error
        if actual != file.sha256:
            raise ChecksumError(
                f"{file.path!r} is damaged or swapped: sha256 {actual}, the manifest says "
                f"{file.sha256}; copy the bundle again"
            )


def _holes(file: FileRef, path: Path) -> int:
    """Return the bytes of a file that are more than _MOST_HOLES times those on the disk.

    Such a file takes no room on the disk, and minutes to read.
    """
    with path.open("rb") as stream:
        content = _bytes_on_disk(stream.fileno(), -(-file.bytes // _MOST_HOLES))
    return max(0, file.bytes - content * _MOST_HOLES)


def _bytes_on_disk(descriptor: int, enough: int) -> int:
    """Return how many bytes of a file are no holes, counted up to `enough`."""
    content = end = 0
    while content < enough:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        except OSError as error:
            # ENXIO: the rest is a hole. Else the file system knows no holes.
            return content if error.errno == errno.ENXIO else enough
        content += end - begin
    return content


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
