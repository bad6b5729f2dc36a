"""`sam3-ros bench --space`: what the depth of a frame costs, without a model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sam3_ros.cli.bench.options import (
    OF_GROWTH,
    OF_MODEL,
    OF_NODE,
    OF_REPORT,
    OF_STAGES,
    refuse_options,
)
from sam3_ros.cli.table import left, right, table
from sam3_ros.core.geometry import ImageSize

if TYPE_CHECKING:
    import numpy as np

_SIZES = ((640, 480), (1920, 1080))
_OBJECTS = 10
#: Less has no room for the objects.
_LEAST_SIDE = 48
_NAMES = ("median", "p95", "least")


def run(options: argparse.Namespace) -> int:
    """Measure and print: CPU time of one core, per step."""
    from sam3_ros.bench.space import times_of
    from sam3_ros.core.errors import Sam3RosError

    others = (OF_STAGES, OF_MODEL, OF_GROWTH, OF_NODE, OF_REPORT, {"seconds": None, "image": None})
    refuse_options(options, "with --space", *others)
    sizes = options.sizes or _SIZES
    for width, height in sizes:
        if min(width, height) < _LEAST_SIDE:
            raise Sam3RosError(
                f"--sizes: expected at least {_LEAST_SIDE}x{_LEAST_SIDE}, got {width}x{height}"
            )
    found = {
        f"{width}x{height}": times_of(ImageSize(height, width), _OBJECTS, options.frames)
        for width, height in sizes
    }
    if options.json:
        figures = {
            size: {step: _figures(ms) for step, ms in of.items()} for size, of in found.items()
        }
        print(json.dumps({"objects": _OBJECTS, "cpu_ms": figures}, indent=2))
        return 0
    print(f"{_OBJECTS} objects, {options.frames} frames; CPU ms of one core")
    rows = [
        (size, step, *(f"{value:.1f}" for value in _figures(ms).values()))
        for size, of in found.items()
        for step, ms in of.items()
    ]
    print("\n".join(table([left("size"), left("step"), *map(right, _NAMES)], rows)))
    return 0


def _figures(ms: np.ndarray) -> Mapping[str, float]:
    import numpy as np

    values = (np.median(ms), np.percentile(ms, 95), ms.min())
    return {name: round(float(value), 3) for name, value in zip(_NAMES, values, strict=True)}
