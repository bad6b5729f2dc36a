"""Image sizes and times on the command line of `sam3-ros bench`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam3_ros.core.geometry import ImageSize

LARGEST_SIDE = 16384


def add_sizes_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sizes",
        type=_sizes,
        metavar="WxH,WxH",
        help="image sizes, with commas between several (default: 320x240 to 3840x2160 with "
        "--growth, 640x480 and 1920x1080 with --node)",
    )
    group.add_argument(
        "--seconds",
        type=_seconds,
        metavar="S",
        help="most of each scenario (default: 10), point of --growth (default: 1) or case of "
        "--node (default: 10)",
    )


def sizes_or(
    given: Sequence[tuple[int, int]] | None, default: Sequence[tuple[int, int]]
) -> tuple[ImageSize, ...]:
    from sam3_ros.core.geometry import ImageSize

    return tuple(ImageSize(height, width) for width, height in given or default)


def image_size(text: str) -> tuple[int, int]:
    """Width and height in px. Raises ArgumentTypeError."""
    width, _, height = text.strip().lower().partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) != 2 or min(sides) < 1 or max(sides) > LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT such as 640x480, at most {LARGEST_SIDE} each, got {text!r}"
        )
    return sides[0], sides[1]


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(image_size(part) for part in text.split(","))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return seconds
