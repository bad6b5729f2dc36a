"""What the rotary tables of a ViT's blocks show: heads, the reach of each block, the input size.

The original saves a table with every block, complex [places, head / 2]: of the places of a window,
or of the whole grid. No stage needs them, and files that others write often lack them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shape, Shapes

#: How many blocks attend over the whole picture, where no tensor shows it.
GLOBAL_BLOCKS = 4
#: As numbers of which pairs are one complex number: a format without those has one more axis.
_AS_REAL = 3


@dataclass(frozen=True)
class RotaryTables:
    """The shape of each block's table; none where the file lacks them."""

    #: Places of the table by block.
    places: Mapping[int, int]
    #: Channels of an attention head; None where no table shows it.
    head: int | None

    @classmethod
    def of(cls, shapes: Shapes) -> RotaryTables:
        """Read the tables of a ViT's tensors, named without the trunk's prefix.

        Raises CheckpointError where they contradict each other.
        """
        found = {
            int(match[1]): shape
            for name, shape in shapes.items()
            if (match := re.fullmatch(r"blocks\.(\d+)\.attn\.freqs_cis", name))
        }
        heads = {_head(number, shape) for number, shape in found.items()}
        if len(heads) > 1:
            raise CheckpointError(
                f"the image encoder's rotary tables are of heads of {sorted(heads)} channels, "
                f"expected the same in every block"
            )
        return cls({n: shape[0] for n, shape in sorted(found.items())}, next(iter(heads), None))

    def everywhere(self, depth: int, window: int) -> tuple[int, ...]:
        """Return the blocks that attend over the whole picture, of a ViT with square windows.

        A block without a table counts as in SAM 3, where it is the last of each quarter. Raises
        CheckpointError where that is not known, or where tables and windows do not go together.
        """
        whole = {places for places in self.places.values() if places != window * window}
        grid = math.isqrt(max(whole, default=0))
        if len(whole) > 1 or whole - {grid * grid}:
            raise CheckpointError(
                f"the image encoder's rotary tables have {sorted({*self.places.values()})} places; "
                f"expected {window * window} of a window of {window} x {window}, which is the side "
                f"of its position table, and those of one square grid"
            )
        if not whole and depth % GLOBAL_BLOCKS:
            raise CheckpointError(
                f"the image encoder has {depth} blocks, and no tensor shows which of them attend "
                f"over the whole picture: expected a multiple of {GLOBAL_BLOCKS}, where it is the "
                f"last of each quarter as in SAM 3, or the rotary tables (blocks.N.attn.freqs_cis) "
                f"that the original saves"
            )
        usual = last_of_each_quarter(depth)
        far = [
            number in usual
            if not whole or number not in self.places
            else self.places[number] in whole
            for number in range(depth)
        ]
        if whole and not far[-1]:
            raise CheckpointError(
                f"the last of the image encoder's {depth} blocks attends within windows; in SAM 3 "
                f"it attends over the whole picture: are blocks missing behind it?"
            )
        return tuple(number for number, is_far in enumerate(far) if is_far)

    def grid(self, window: int) -> int | None:
        """Return the side of the grid of places that the model was trained at, where it is shown.

        It is not where every block attends within windows, or the file lacks the tables.
        """
        whole = {places for places in self.places.values() if places != window * window}
        return math.isqrt(whole.pop()) if len(whole) == 1 else None


def last_of_each_quarter(depth: int) -> tuple[int, ...]:
    """Return the blocks that attend over the whole picture in SAM 3, of a depth in quarters."""
    step = depth // GLOBAL_BLOCKS
    return tuple(range(step - 1, depth, step)) if step else ()


def _head(number: int, shape: Shape) -> int:
    if len(shape) == _AS_REAL and shape[2] == 2:
        shape = shape[:2]
    if len(shape) != 2 or min(shape) < 1:
        raise CheckpointError(
            f"blocks.{number}.attn.freqs_cis has shape {list(shape)}, expected [places, head / 2]"
        )
    return 2 * shape[1]
