"""The figures of a run beside what they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam3_ros.cli.table import left, right, table


@dataclass(frozen=True)
class Figure:
    """One figure, and its bound."""

    name: str
    value: float
    unit: str
    #: None: it is only told.
    least: float | None = None
    most: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it is within its bounds."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )


def figures_table(figures: Sequence[Figure]) -> list[str]:
    rows = [
        (each.name, f"{each.value:.1f} {each.unit}", _bound(each), "" if each.is_kept else "missed")
        for each in figures
    ]
    return table((left("figure"), right("value"), right("goal"), left("")), rows)


def slope_a_minute(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Return how much a value grows a minute after the first quarter of a run, by least squares."""
    times, found = np.array(seconds), np.array(values)
    late = times >= times[-1] / 4
    return 60 * float(np.polyfit(times[late], found[late], 1)[0])


def _bound(figure: Figure) -> str:
    if figure.least is not None:
        return f">= {figure.least:g}"
    return "" if figure.most is None else f"<= {figure.most:g}"
