"""Options that several measurements of `sam3-ros bench` share, and those that only one takes.

An option given to a measurement that does not take it is refused, not ignored. Such options
therefore have None as argparse's default; `fill_in` sets the real ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sam3_ros.cli.command import positive_number
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.core.geometry import ImageSize

LARGEST_SIDE = 16384

#: Defaults by the names of the parsed options.
OF_STAGES: Mapping[str, object] = {
    "size": (640, 480),
    "prompts": 2,
    "cameras": 2,
    "against": None,
    "rival_bundle": None,
    "checkpoint": None,
    "reductions": False,
}
#: Seconds in all: below four minutes with what a process may finish after its deadline.
OF_REPORT: Mapping[str, object] = {"within": 225}
#: Of what writes a file.
OF_FILES: Mapping[str, object] = {"force": False}
OF_GROWTH: Mapping[str, object] = {"plot": None}
OF_GROWTH_AND_NODE: Mapping[str, object] = {"sizes": None}
OF_NODE: Mapping[str, object] = {
    "transports": ("raw", "compressed"),
    "encoding": "bgr8",
    "rate": 30.0,
    "clicks": 20,
    "tracked": 0,
    "domain": None,
    "param": (),
}
#: Of all that run a model.
OF_MODEL: Mapping[str, object] = {
    "bundles": None,
    "backend": None,
    "precision": None,
    "profile": None,
    "cuda_graphs": None,
    "threads": None,
}
_INSTEAD = {"size": "; give --sizes", "sizes": "; give --size"}


def refuse_options(
    options: argparse.Namespace, measurement: str, *others: Mapping[str, object]
) -> None:
    """Raise Sam3RosError for a given option that only other measurements take.

    measurement: the one to run, such as "with --node".
    """
    for name in (name for other in others for name in other):
        if not _is_missing(options, name):
            option = "bundle" if name == "bundles" else name.replace("_", "-")
            instead = _INSTEAD.get(name, "")
            raise Sam3RosError(f"--{option} is not for a bench {measurement}{instead}")


def fill_in(options: argparse.Namespace, own: Mapping[str, object]) -> None:
    """Set the default of each option that was not given."""
    for name, default in own.items():
        if _is_missing(options, name):
            setattr(options, name, default)


def _is_missing(options: argparse.Namespace, name: str) -> bool:
    given = getattr(options, name)
    return given is None or given is False or given == []


def add_size_options(group: argparse._ArgumentGroup) -> None:
    """Declare --sizes and --seconds."""
    group.add_argument(
        "--sizes",
        type=lambda text: tuple(image_size(part) for part in text.split(",")),
        metavar="WxH,WxH",
        help="image sizes, with commas between several (default: 320x240 to 3840x2160 with "
        "--growth, 640x480 and 1920x1080 with --node and --space)",
    )
    group.add_argument(
        "--seconds",
        type=positive_number("seconds above 0"),
        metavar="S",
        help="longest time for a scenario (default: 10), a point of --growth or "
        "--tracking (default: 1), a case of --node (default: 10)",
    )


def sizes_or(
    given: Sequence[tuple[int, int]] | None, default: Sequence[tuple[int, int]]
) -> tuple[ImageSize, ...]:
    """Return the given (width, height) pairs as sizes, or the default ones."""
    from sam3_ros.core.geometry import ImageSize

    return tuple(ImageSize(height, width) for width, height in given or default)


def image_size(text: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT into width and height in px. Raises ArgumentTypeError."""
    width, _, height = text.strip().lower().partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) != 2 or min(sides) < 1 or max(sides) > LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT such as 640x480, at most {LARGEST_SIDE} each, got {text!r}"
        )
    return sides[0], sides[1]
