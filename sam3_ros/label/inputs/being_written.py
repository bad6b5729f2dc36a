"""Whether a file is being written right now, as a bag is while it is recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR


def files_being_written(among: Iterable[Path]) -> set[Path]:
    """Return those of these files that a process of this machine has open for writing.

    Linux tells it of processes that are visible from here and whose user this one may ask.
    """
    wanted: dict[str, Path] = {os.path.realpath(path): path for path in among}
    if not sys.platform.startswith("linux") or not wanted:
        return set()
    found: set[Path] = set()
    for descriptor in _descriptors():
        with suppress(OSError, ValueError):  # the process has ended, or is another user's
            target = os.readlink(descriptor)  # noqa: PTH115
            if target in wanted and _is_for_writing(descriptor):
                found.add(wanted[target])
    return found


def _descriptors() -> Iterator[str]:
    # Without pathlib, which takes twice the time: there are thousands.
    own = str(os.getpid())
    for process in os.listdir("/proc"):  # noqa: PTH208
        if process.isdecimal() and process != own:
            folder = f"/proc/{process}/fd"
            with suppress(OSError):
                yield from (f"{folder}/{each}" for each in os.listdir(folder))  # noqa: PTH208


def _is_for_writing(descriptor: str) -> bool:
    folder, _, number = descriptor.rpartition("/")
    text = Path(f"{folder}info/{number}").read_text()
    flags = next(line.split()[1] for line in text.splitlines() if line.startswith("flags:"))
    return bool(int(flags, 8) & _WRITES)
