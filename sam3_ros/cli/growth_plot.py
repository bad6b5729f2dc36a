"""Growth as a picture: a panel for each thing that grows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.bench.growth import Growth

_COLUMNS = 2
_PANEL_INCHES = (5.5, 3.6)
# What shares work, so that many cost less than as many times one.
_SHARING = ("prompts", "cameras")


def require_matplotlib() -> None:
    """Raises Sam3RosError where it is not installed."""
    if find_spec("matplotlib") is None:
        raise Sam3RosError(
            "--plot draws with matplotlib, which is not here: pip install 'sam3_ros[bench]', or "
            "pip install matplotlib"
        )


def draw_growths(found: Sequence[Growth], title: str, path: Path) -> None:
    """Write a PNG or SVG file, by its name's end. Raises OSError where it cannot be written."""
    from matplotlib.figure import Figure  # not pyplot, which looks for a screen

    rows = -(-len(found) // _COLUMNS)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * _COLUMNS, height * rows), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for axes, growth in zip(panels, found, strict=False):
        _draw(axes, growth)
    for axes in figure.axes[len(found) :]:
        axes.remove()
    figure.savefig(path)


def _draw(axes: Any, growth: Growth) -> None:
    amounts = [point.amount for point in growth.points]
    medians = [point.median_ms for point in growth.points]
    axes.plot(amounts, medians, marker="o", label="median, and up to p95")
    axes.fill_between(amounts, medians, [point.p95_ms for point in growth.points], alpha=0.2)
    if growth.key in _SHARING:
        alone = [growth.points[0].per_item_ms * amount for amount in amounts]
        axes.plot(amounts, alone, linestyle=":", color="grey", label="if nothing were shared")
    axes.set_xticks(amounts, [point.label for point in growth.points])
    if growth.key == "image size":  # the names are long and the small ones close together
        axes.tick_params(axis="x", labelrotation=60, labelsize="x-small")
    axes.set(title=growth.title, xlabel=growth.key, ylabel="ms", ylim=(0, None))
    axes.legend(fontsize="small", loc="lower right")
