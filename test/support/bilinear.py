"""Bilinear resizing in plain numpy, as an independent reference."""

from __future__ import annotations

import numpy as np


def bilinear(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize to f64[height,width] between pixel centres, edges repeated, without antialiasing.

    This is the rule of torch's interpolate with align_corners=False.
    """
    rows, row_weights = _neighbours(values.shape[0], height)
    columns, column_weights = _neighbours(values.shape[1], width)
    values = values.astype(np.float64)
    top, bottom = values[rows[0]], values[rows[1]]
    mixed = top * (1 - row_weights[:, None]) + bottom * row_weights[:, None]
    return mixed[:, columns[0]] * (1 - column_weights) + mixed[:, columns[1]] * column_weights


def _neighbours(source: int, target: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.floor(position).astype(int)
    return (low, np.minimum(low + 1, source - 1)), position - low
