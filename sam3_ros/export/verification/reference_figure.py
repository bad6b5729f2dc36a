"""One number of a comparison with the original's own code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.core.stages.session import Array


@dataclass(frozen=True)
class ReferenceFigure:
    """The difference of one tensor of one case."""

    case: str
    tensor: str
    #: Largest absolute difference; where the limit is a minimum the share that agrees.
    difference: float
    #: Allowed difference.
    limit: float
    #: The limit is a minimum, not a maximum.
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the difference is within its limit; NaN is not."""
        if self.at_least:
            return self.difference >= self.limit
        return self.difference <= self.limit


def beyond_half_precision(found: Array, expected: Array) -> float:
    """Return the largest of beyond_half_precision_each."""
    # np.maximum keeps a NaN, which Python's max would take for 0.
    return float(np.maximum(0.0, np.max(beyond_half_precision_each(found, expected))))


def beyond_half_precision_each(found: Array, expected: Array) -> npt.NDArray[np.float64]:
    """Return the difference of each number from one stored as float16, less half a step of it.

    Infinite where the shapes differ.
    """
    if found.shape != expected.shape:
        return np.full(1, np.inf)
    rounding = np.spacing(np.abs(expected.astype(np.float16))).astype(np.float64) / 2
    return np.asarray(np.abs(found.astype(np.float64) - expected) - rounding, np.float64)
