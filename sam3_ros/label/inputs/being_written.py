"""Whether a file is being written right now, as a bag is while it is recorded."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR


class OpenFiles:
    """The files that other processes of this machine had open at one moment.

    Linux tells it of processes that are visible from here and whose user this one may ask.
    """

    def __init__(self) -> None:
        """Look at all processes, once: there may be thousands of open files."""
        self._descriptors: defaultdict[str, list[str]] = defaultdict(list)
        if not sys.platform.startswith("linux"):
            return
        for descriptor in _descriptors():
            with suppress(OSError):  # its process has ended, or is another user's
                self._descriptors[os.readlink(descriptor)].append(descriptor)  # noqa: PTH115

    def being_written(self, among: Iterable[Path]) -> set[Path]:
        """Return those of these files that were open, and still are, for writing."""
        return {path for path in among if any(map(_is_for_writing, self._of(path)))}

    def _of(self, path: Path) -> list[str]:
        return self._descriptors.get(os.path.realpath(path), [])


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
    try:
        text = Path(f"{folder}info/{number}").read_text()
    except OSError:
        return False
    flags = next(line.split()[1] for line in text.splitlines() if line.startswith("flags:"))
    return bool(int(flags, 8) & _WRITES)
