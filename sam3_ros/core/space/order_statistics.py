"""Medians and percentiles of many depths, from an even sample of them.

numpy's own take most of the time of a lift: they look for NaN and interpolate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ENOUGH = 1000


def median(values: npt.NDArray[np.floating[Any]]) -> float:
    """Return the (upper) median of at least one value, without NaN."""
    sample = values[:: -(-len(values) // _ENOUGH)]
    place = len(sample) // 2
    return float(np.partition(sample, place)[place])


def percentiles(values: npt.NDArray[np.floating[Any]], *percents: float) -> list[float]:
    """Return a value at or just above each percentile, of at least one value without NaN."""
    sample = values[:: -(-len(values) // _ENOUGH)]
    places = [min(int(len(sample) * percent / 100), len(sample) - 1) for percent in percents]
    ordered = np.partition(sample, places)
    return [float(ordered[place]) for place in places]
