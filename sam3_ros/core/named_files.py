"""What a name on the command line means: a file, or a pattern that no shell has resolved."""

from __future__ import annotations

from collections.abc import Iterator
from glob import glob
from glob import has_magic as is_pattern
from pathlib import Path

#: What a folder is searched for. Also formats that are refused with what to install: phones make
#: HEIC, and an image must not be left out in silence.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".jp2", ".j2k", ".qoi", ".heic", ".heif", ".avif"),
)


def files_named(name: str) -> Iterator[Path]:
    """Yield the file of this name, which need not exist; or what matches a pattern, sorted.

    A name with *, ? or [ is a pattern where there is no such file.
    """
    path = Path(name)
    if not is_pattern(name) or _exists(path):
        yield path
    else:
        # As a shell does it: pathlib's glob finds hidden files too.
        yield from map(Path, sorted(glob(name, recursive=True)))  # noqa: PTH207


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False
