"""Pixels of a prompted frame that rounding alone cuts at 0, and which way the original cut them.

The memory of a prompted frame is made of its mask, cut at 0 at 1008 x 1008 px. A few of these
million logits are within rounding of 0, in the original as well: another processor, or another
order of the same sums, cuts them the other way. A single one moves the logits of the next frame by
up to 0.3 with weights that make the attention to memories sharp, so answers can only be compared
once these pixels are cut as the original cut them. It stored no memory of such a frame, but the
first tracked frame after it shows them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.masks import Floats

# Of the largest logit. In float32 and float64 the logits of the reference cases differ by about a
# millionth of it near 0.
_ROUNDING = 3e-6
#: Pixels of a prompt that are tried; each takes as long as a tracked frame.
MOST_TRIED = 12
# What a pixel changes must be in the difference from the original to this share at least.
_SHARE = 0.75

Difference = npt.NDArray[np.float64]


def undecided_pixels(logits: Floats, others: Floats | None) -> list[tuple[float, int, int]]:
    """Return margin, row and column of pixels that rounding decides, the nearest to 0 first.

    logits: f32[h,w] of the object. others: the largest logits of the objects that were shown with
    it, of which the highest keeps a pixel.
    """
    margins = np.abs(logits if others is None else np.minimum(logits, logits - others))
    rows, columns = np.nonzero(margins < _ROUNDING * np.abs(logits).max())
    found = zip(margins[rows, columns].tolist(), rows.tolist(), columns.tolist(), strict=True)
    return sorted(found)


def cut_otherwise(wanted: Difference, changes: Sequence[Difference]) -> list[int]:
    """Return which changes, together, bring an answer to the original's; none that only help.

    wanted: the original's logits less those of the answer. changes: what each pixel, cut the other
    way, adds to the answer. The one that explains most is taken first, then of the rest.
    """
    taken: list[int] = []
    rest = wanted.astype(np.float64)
    while True:
        gains = {
            number: 2 * float(np.sum(rest * change)) - float(np.sum(change * change))
            for number, change in enumerate(changes)
            if number not in taken and _is_part_of(rest, change)
        }
        if not gains:
            return sorted(taken)
        best = max(gains, key=lambda number: gains[number])
        taken.append(best)
        rest = rest - changes[best]


def _is_part_of(rest: Difference, change: Difference) -> bool:
    """Return whether the rest, seen along the change, is about the change itself."""
    size = float(np.sum(change * change))
    return size > 0 and float(np.sum(rest * change)) > _SHARE * size
