"""How images are read, whatever they are read from."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS


@dataclass(frozen=True)
class ReadSettings:
    """How images are read."""

    #: Bits that cameras put into 16; 0 for all.
    bit_depth: int = 0
    #: Larger ones are refused.
    max_megapixels: float = MAX_MEGAPIXELS
