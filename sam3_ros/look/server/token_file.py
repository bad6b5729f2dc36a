"""A token that stays from start to start, in a file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sam3_ros.look.server.access import checked_token, new_token
from sam3_ros.look.server.listening import LookServerError

_LONGEST = 4096


def token_in(file: Path) -> str:
    """Return the token of a file, which is made with a new one if it is not there.

    Raises LookServerError for one that others may read or that holds no token, and OSError.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(file)
    token = new_token()
    with open(descriptor, "w") as opened:  # noqa: PTH123
        opened.write(token + "\n")
    return token


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        mode = os.fstat(opened.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise LookServerError(
                f"--token-file {file}: expected a file that only you may read; `chmod 600` makes "
                "it one"
            )
        text = opened.read(_LONGEST).decode("utf-8", "replace").strip()
    return checked_token(text, f"--token-file {file}")
