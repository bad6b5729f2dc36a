"""Outputs are written beside and moved into place when they are whole.

One run at a time writes into a folder, so what lies in the folder for unfinished files is what an
earlier run left when it was killed; the next output removes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED_NAME = ".unfinished"


@contextmanager
def unfinished(out: Path) -> Iterator[Path]:
    """Yield an empty folder, on the file system of the outputs; remove it at the block's end.

    Raises OSError.
    """
    folder = out / UNFINISHED_NAME
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into_place(made: Path, target: Path) -> None:
    """Put a file or a folder in place of what an earlier run wrote there. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if made.is_dir():
        # A folder cannot replace one that is not empty; the old one goes with the unfinished.
        if target.exists():
            target.rename(made.with_name(f"{made.name}.old"))
        made.rename(target)
    else:
        made.replace(target)


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
