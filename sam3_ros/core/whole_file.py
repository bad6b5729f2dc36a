"""Files that are written whole or not at all, as where a disk is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


def write_whole(path: Path | str, content: bytes | memoryview | str, private: bool = False) -> None:
    """Write a file in place of what is there; text in UTF-8. private: as for whole_file.

    If that fails, what was there before stays. Raises OSError with the file's name.
    """
    data = content.encode() if isinstance(content, str) else content
    with whole_file(path, private=private) as unfinished:
        unfinished.write_bytes(data)


@contextmanager
def whole_file(path: Path | str, suffix: str = "", private: bool = False) -> Iterator[Path]:
    """Yield a path beside the file to write to, and move it into place at the block's end.

    suffix: the end of its name, for a library that goes by it. If the block raises, what was
    written is removed. What is no regular file, such as /dev/stdout, is written to directly. An
    OSError gets the file's name.

    private: this user alone can read it, and it is on the disk before it is in place. A link or
    whatever else is there is replaced.
    """
    path = Path(path)
    with named_errors(path):
        if not private and path.exists() and not path.is_file():
            yield path
            return
        target = path if private else Path(os.path.realpath(path))  # a link stays one
        # In a folder that others can write too, nobody can foresee the name and put a link there.
        unfinished = target.with_name(f".sam3-ros-{os.getpid()}-{token_hex(8)}{suffix}")
        mode = 0o600 if private else 0o666
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        try:
            yield unfinished
            if private:
                _to_disk(unfinished)
            elif target.exists():
                shutil.copymode(target, unfinished)
            unfinished.replace(target)
            if private:
                _to_disk(target.parent)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Give the file's name to each OSError in the block: writing fails without one."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
