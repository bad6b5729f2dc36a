"""`sam3-ros bench`: how fast a bundle answers on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli import bench_bundle, bench_growth, bench_node
from sam3_ros.cli.bench_against import add_against_options
from sam3_ros.cli.command import add_command
from sam3_ros.cli.model_options import add_model_options, whole_number
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands


LARGEST_SIDE = 16384
SHIPPED_PICTURE = Path(__file__).parents[1] / "demo_data" / "table.jpg"


def register(commands: Commands) -> None:
    parser = add_command(
        commands,
        "bench",
        "time a bundle: every stage, its arithmetic, what the machine allows, and beside a rival",
        """
        sam3-ros bench --bundle tabletop
        sam3-ros bench --bundle tabletop --threads 2 --frames 200 --json
        sam3-ros bench --bundle tabletop --against plain --reductions
        sam3-ros bench --bundle ./my_bundle --image street.jpg --size 1280x720 --text car
        sam3-ros bench --growth --plot growth.png
        sam3-ros bench --node
        """,
        _run,
    )
    _add_question_options(parser)
    add_model_options(parser)
    add_against_options(parser.add_argument_group("beside a rival"))
    parser.add_argument(
        "--reductions",
        action="store_true",
        help="switch off each reduction of the runtime in turn, and tell what it brings",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    another = parser.add_mutually_exclusive_group()
    another.add_argument(
        "--growth", action="store_true", help="cost against prompts, cameras, points and image size"
    )
    another.add_argument(
        "--node", action="store_true", help="camera to mask over DDS, with a node of its own"
    )
    bench_growth.add_options(parser.add_argument_group("with --growth"))
    bench_node.add_options(parser.add_argument_group("with --node"))


def _add_question_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frames",
        type=whole_number,
        default=100,
        metavar="N",
        help="repeats, as far as --seconds allow, but at least 3 (default: %(default)s)",
    )
    parser.add_argument(
        "--size", type=_size, default=(640, 480), metavar="WxH", help="default: 640x480"
    )
    parser.add_argument("--text", default="red cube", help="the phrase (default: %(default)s)")
    parser.add_argument(
        "--image", type=Path, default=SHIPPED_PICTURE, help="a picture (default: the demo's table)"
    )
    parser.add_argument(
        "--prompts",
        type=whole_number,
        default=2,
        metavar="N",
        help="texts on one frame, 1 for no such case (default: %(default)s)",
    )
    parser.add_argument(
        "--cameras",
        type=whole_number,
        default=2,
        metavar="N",
        help="round robin, 1 for no such case (default: %(default)s)",
    )


def _run(options: argparse.Namespace) -> int:
    if (options.growth or options.node) and (options.against or options.reductions):
        raise Sam3RosError("--against and --reductions do not go with --growth or --node")
    if options.growth:
        return bench_growth.run(options)
    if options.node:
        return bench_node.run(options)
    return bench_bundle.run(options)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) != 2 or min(sides) < 1 or max(sides) > LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT such as 640x480, at most {LARGEST_SIDE} each, got {text!r}"
        )
    return int(width), int(height)
