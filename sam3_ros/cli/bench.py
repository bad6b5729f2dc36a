"""`sam3-ros bench`: how fast a bundle answers on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli import bench_bundle, bench_growth, bench_node
from sam3_ros.cli.bench_against import add_against_options
from sam3_ros.cli.bench_refusals import OF_STAGES
from sam3_ros.cli.bench_sizes import image_size
from sam3_ros.cli.command import add_command
from sam3_ros.cli.model_options import add_model_options, whole_number

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands


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
        help="switch off each reduction of the runtime in turn, and tell what it brings: the time "
        "without it / with it",
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
        help="repeats, as far as --seconds allow, but at least 3, or 1 of a point of --growth "
        "(default: %(default)s)",
    )
    parser.add_argument("--size", type=image_size, metavar="WxH", help="default: 640x480")
    parser.add_argument("--text", default="red cube", help="the phrase (default: %(default)s)")
    parser.add_argument(
        "--image", type=Path, default=SHIPPED_PICTURE, help="a picture (default: the demo's table)"
    )
    parser.add_argument(
        "--prompts",
        type=whole_number,
        metavar="N",
        help=f"texts on one frame, 1 for no such case (default: {OF_STAGES['prompts']})",
    )
    parser.add_argument(
        "--cameras",
        type=whole_number,
        metavar="N",
        help=f"round robin, 1 for no such case (default: {OF_STAGES['cameras']})",
    )


def _run(options: argparse.Namespace) -> int:
    if options.growth:
        return bench_growth.run(options)
    if options.node:
        return bench_node.run(options)
    return bench_bundle.run(options)
