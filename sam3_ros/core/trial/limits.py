"""How much time and memory the first run of a bundle may take, by what its manifest declares.

Generous: an honest model must not meet them on a slow machine. They end what would never end by
itself, and what would take all of the memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bundle.manifest import Manifest, StageFile

_SECONDS, _SECONDS_PER_GB = 60.0, 240.0
# The weights are there parsed, and laid out for the engine; what a stage works in grows with the
# image. EfficientSAM3 in full size (0.52 GB, 1008x1008 px) takes 1.3 GB, of the 5.2 GB that it may.
_TIMES_THE_FILES, _BYTES, _BYTES_PER_PIXEL = 3, 1 << 30, 2500
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class TrialLimits:
    """The limits of one run."""

    #: By the clock, from the start of the process to the last answer.
    seconds: float
    #: In bytes, beyond what Python and the engine's libraries take.
    memory: int

    @classmethod
    def of(cls, manifest: Manifest, files: Iterable[StageFile]) -> TrialLimits:
        """Scale the limits by the bytes of these files and the pixels of the model's input.

        A file with several names counts once. The memory is no more than what is free, whatever a
        manifest declares.
        """
        named = (each for file in files for each in (file, *file.data))
        held = sum({each.sha256: each.bytes for each in named}.values())
        pixels = manifest.preprocessing.height * manifest.preprocessing.width
        memory = _BYTES + _TIMES_THE_FILES * held + _BYTES_PER_PIXEL * pixels
        return cls(_SECONDS + _SECONDS_PER_GB * held / 1e9, min(memory, _free_memory()))

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s and {self.memory / 1e9:.1f} GB"


def _free_memory() -> int:
    """Return the bytes that the machine could still give; never below _BYTES."""
    with suppress(OSError, ValueError):
        found = re.search(r"^MemAvailable: *(\d+) kB$", _MEMORY.read_text("ascii"), re.MULTILINE)
        if found is not None:
            return max(_BYTES, int(found[1]) << 10)
    return sys.maxsize  # an old kernel, or another system
