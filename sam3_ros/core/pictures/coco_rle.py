"""Masks as COCO's run lengths, which annotation tools and evaluation scripts read.

A mask is read column by column, from the top left pixel down. The counts are the lengths of its
runs, in turns False and True; the first is of False pixels, and 0 where the mask begins with True.
The compressed form is a string: from the fourth count on, the difference to the count two places
before; each number in groups of five bits, the lowest first, the highest bit of the last group its
sign; 32 is added where another group follows, then 48, which makes each group a printable letter.
Source: cocodataset/cocoapi, common/maskApi.c (rleToString, rleFrString).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize

Mask = npt.NDArray[np.bool_]

_BITS, _FIRST_LETTER = 5, 48
_GROUP, _SIGN, _MORE = 0b11111, 0b10000, 0b100000
# From this place on, counts are written as differences; pycocotools begins with the fourth.
_FIRST_DIFFERENCE = 3


@dataclass(frozen=True)
class RunLengths:
    """A mask as the lengths of its runs."""

    size: ImageSize
    #: px, in turns False and True, column by column; they add up to the number of pixels.
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(count < 0 for count in self.counts):
            raise ValueError(f"a run has a length of 0 or more, got {min(self.counts)}")
        pixels = self.size.height * self.size.width
        if sum(self.counts) != pixels:
            raise ValueError(
                f"the runs of a mask of {self.size.width}x{self.size.height} px add up to {pixels},"
                f" got {sum(self.counts)}"
            )

    @classmethod
    def of(cls, mask: Mask) -> RunLengths:
        """Return the runs of a bool mask [H, W]."""
        column_by_column = np.ravel(mask, order="F")
        changes = np.flatnonzero(column_by_column[1:] != column_by_column[:-1]) + 1
        edges = np.concatenate(([0], changes, [column_by_column.size]))
        lengths = np.diff(edges).tolist()
        if column_by_column.size and column_by_column[0]:
            lengths.insert(0, 0)
        return cls(ImageSize(*mask.shape), tuple(lengths))

    @classmethod
    def parsed(cls, document: Any) -> RunLengths:
        """Read `{"size": [height, width], "counts": ...}` with counts compressed or as a list.

        Raises ValueError for another form, and for runs that do not fill the size.
        """
        try:
            height, width = (int(side) for side in document["size"])
            counts = document["counts"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                'expected {"size": [height, width], "counts": a string or a list}, '
                f"got {str(document)[:80]}"
            ) from error
        if isinstance(counts, bytes):
            counts = counts.decode("ascii")
        numbers = _numbers_of(counts) if isinstance(counts, str) else map(int, counts)
        return cls(ImageSize(height, width), tuple(numbers))

    def document(self) -> dict[str, Any]:
        """Return the form that COCO's JSON holds, with compressed counts."""
        return {"size": [self.size.height, self.size.width], "counts": _letters_of(self.counts)}

    def mask(self) -> Mask:
        """Return the bool mask [H, W]."""
        is_true = np.arange(len(self.counts)) % 2 == 1
        pixels = np.repeat(is_true, self.counts)
        return np.ascontiguousarray(pixels.reshape(tuple(self.size), order="F"))


def _letters_of(counts: Sequence[int]) -> str:
    letters: list[str] = []
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place >= _FIRST_DIFFERENCE else count
        more = True
        while more:
            group = number & _GROUP
            number >>= _BITS  # keeps the sign
            more = number != (-1 if group & _SIGN else 0)
            letters.append(chr((group | _MORE if more else group) + _FIRST_LETTER))
    return "".join(letters)


def _numbers_of(letters: str) -> list[int]:
    counts: list[int] = []
    number = shift = 0
    for letter in letters:
        code = ord(letter) - _FIRST_LETTER
        if not 0 <= code <= _GROUP | _MORE:
            raise ValueError(f"compressed counts have letters from '0' to 'o', got {letter!r}")
        number |= (code & _GROUP) << shift
        shift += _BITS
        if code & _MORE:
            continue
        if code & _SIGN:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) >= _FIRST_DIFFERENCE else number)
        number = shift = 0
    if shift:
        raise ValueError(f"compressed counts end within a number: ...{letters[-10:]!r}")
    return counts
