"""`sam3-ros bench`: its options, and which measurement they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.bench import bundle, growth, node, report, space, tracking
from sam3_ros.cli.bench.against import add_against_options
from sam3_ros.cli.bench.options import (
    OF_REPORT,
    OF_STAGES,
    add_size_options,
    fill_in,
    image_size,
    refuse_options,
)
from sam3_ros.cli.command import add_command, add_json_option, whole_number
from sam3_ros.cli.model_options import DEFAULT_BUNDLE, add_model_options
from sam3_ros.cli.out_folder import add_force_option
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands


_ONE_MODEL = {"backend": "cpu", "precision": "fp32"}


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "bench",
        "time a bundle: every stage, its arithmetic, the machine's limits, and beside a baseline",
        """
        sam3-ros bench --bundle tabletop
        sam3-ros bench --bundle tabletop --threads 2 --frames 200 --json
        sam3-ros bench --bundle tabletop --against plain --reductions
        sam3-ros bench --bundle ./my_bundle --image street.jpg --size 1280x720 --text car
        sam3-ros bench --growth --plot growth.png
        sam3-ros bench --tracking --plot tracking.svg
        sam3-ros bench --node
        sam3-ros bench --space
        sam3-ros bench --report gpu.md --bundle ./my_bundle --bundle ./my_clicks
        """,
        _run,
    )
    _add_question_options(parser)
    add_model_options(parser, several_bundles=True)
    # None, so that --report, whose defaults are others, knows what was given.
    parser.set_defaults(backend=None, precision=None)
    add_against_options(parser.add_argument_group("beside a baseline"))
    parser.add_argument(
        "--reductions",
        action="store_true",
        help="switch off each reduction of the runtime in turn, and print what it saves: the time "
        "without it / with it",
    )
    add_json_option(parser)
    add_force_option(parser)
    another = parser.add_mutually_exclusive_group()
    another.add_argument(
        "--growth", action="store_true", help="cost against prompts, cameras, points and image size"
    )
    another.add_argument(
        "--tracking",
        action="store_true",
        help="cost of a tracked image, by part, against objects and their memories",
    )
    another.add_argument(
        "--node", action="store_true", help="camera to mask over DDS, with a node of its own"
    )
    another.add_argument(
        "--space",
        action="store_true",
        help="cost of lifting 10 objects by depth, and of the clouds; without a model",
    )
    another.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="measure every precision of one or several bundles (repeat --bundle) on a GPU, with "
        "CUDA graphs and without, the guard and the node, and write a page of Markdown; "
        "--backend cpu measures the same without a GPU",
    )
    add_size_options(parser.add_argument_group("with --growth, --node or --space"))
    growth.add_options(parser.add_argument_group("with --growth or --tracking"))
    node.add_options(parser.add_argument_group("with --node"))
    report.add_options(parser.add_argument_group("with --report"))


def _add_question_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frames",
        type=whole_number(1),
        default=100,
        metavar="N",
        help="repeats, as far as --seconds allow, but at least 3, or 1 of a point of --growth and "
        "--tracking (default: %(default)s)",
    )
    parser.add_argument("--size", type=image_size, metavar="WxH", help="default: 640x480")
    parser.add_argument(
        "--text", type=_phrase, default="red cube", help="the phrase (default: %(default)s)"
    )
    parser.add_argument("--image", type=Path, help="a picture (default: the demo's table)")
    parser.add_argument(
        "--prompts",
        type=whole_number(1),
        metavar="N",
        help=f"texts on one frame, 1 for no such case (default: {OF_STAGES['prompts']})",
    )
    parser.add_argument(
        "--cameras",
        type=whole_number(1),
        metavar="N",
        help=f"round robin, 1 for no such case (default: {OF_STAGES['cameras']})",
    )


def _phrase(text: str) -> str:
    from sam3_ros.core.errors import PromptError
    from sam3_ros.core.segmenter.phrases import required_phrases

    try:
        first, *others = required_phrases(text)
    except PromptError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if others:
        raise argparse.ArgumentTypeError(
            f"expected one phrase, got {1 + len(others)} with ';' between: {text!r}; --prompts "
            "says how many are measured together"
        )
    return first


def _run(options: argparse.Namespace) -> int:
    from sam3_ros.core.precision.questions import TABLE

    if options.space:
        return space.run(options)
    options.image = options.image or TABLE
    options.bundles = options.bundles or [DEFAULT_BUNDLE]
    if options.report is not None:
        return report.run(options)
    refuse_options(options, "without --report", OF_REPORT)
    fill_in(options, _ONE_MODEL)
    if len(options.bundles) > 1:
        raise Sam3RosError("several --bundle are for --report: give one")
    (options.bundle,) = options.bundles
    if options.growth:
        return growth.run(options)
    if options.tracking:
        return tracking.run(options)
    if options.node:
        return node.run(options)
    return bundle.run(options)
