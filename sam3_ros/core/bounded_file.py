"""Whole files of bounded size, and their text, from people who may not be trusted."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_at_most(path: Path, limit: int) -> bytes:
    """Return a file's bytes, read once.

    limit: of bytes. Raises OSError with a `strerror` in plain words for a file that is larger, that
    is not a regular one (a FIFO or a device could keep the reader for ever), or cannot be read; and
    ValueError for a NUL in its name.
    """
    with open(path, "rb", opener=_without_waiting) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        # Files below /proc tell no size.
        data = stream.read(limit + 1) if status.st_size <= limit else None
        if data is None or len(data) > limit:
            raise OSError(errno.EFBIG, f"expected at most {limit} bytes, got more", str(path))
        return data


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a FIFO without a writer would keep even `open` waiting."""
    return os.open(path, flags | os.O_NONBLOCK)


def decoded(data: bytes) -> str:
    """Return UTF-8 as a text, without the mark with which some editors begin it.

    Raises ValueError, in a few words, for anything else.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        came = "utf-16" if is_utf16 else f"byte 0x{data[error.start]:02x} at {error.start}"
        raise ValueError(f"expected text in utf-8, got {came}; save it as utf-8") from error
