"""Whole files of bounded size, from people who may not be trusted."""

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
    # A FIFO without a writer would keep even `open` waiting.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        # Files below /proc tell no size.
        data = stream.read(limit + 1) if status.st_size <= limit else None
        if data is None or len(data) > limit:
            raise OSError(errno.EFBIG, f"expected at most {limit} bytes, got more", str(path))
        return data
