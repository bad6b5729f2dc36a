"""`sam3-ros demo`: the shipped bag through the node, with a script of texts, clicks and boxes."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command, add_json_option
from sam3_ros.cli.needs import require
from sam3_ros.cli.node_options import add_node_model_options, node_parameters
from sam3_ros.cli.out_folder import add_force_option
from sam3_ros.cli.replay.command import rate
from sam3_ros.cli.replay.outcome import run_and_print

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "demo",
        "replay the shipped bag through the node and judge the answers by the ground truth",
        """
        sam3-ros demo
        sam3-ros demo --out /tmp/demo --json
        sam3-ros demo --bundle ./my_bundle --rate 1
        """,
        _run,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out", "demo"),
        metavar="DIR",
        help="for the overlay video, the contact sheet and the node's log (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=rate,
        default=None,
        metavar="R|answered",
        help="1 for the camera's pace, at which frames may be dropped (default: answered, which "
        "waits for each answer)",
    )
    parser.add_argument("--bag", type=Path, help="another bag that has a ground truth")
    parser.add_argument(
        "--domain", type=int, metavar="N", help="ROS domain (default: one of the demo's own)"
    )
    add_json_option(parser)
    add_force_option(parser)
    add_node_model_options(parser)


def _run(options: argparse.Namespace) -> int:
    require("rclpy", "sam3_ros.msg", "rosbags")
    from sam3_ros.replay.demo import demo
    from sam3_ros.replay.private_domain import private_domain
    from sam3_ros.ros.launching.shared_files import demo_bag

    bag = options.bag or demo_bag()
    parameters = node_parameters(options)
    with private_domain() if options.domain is None else nullcontext(options.domain) as domain:
        code = run_and_print(
            lambda progress: demo(
                bag, options.out, parameters, domain, options.rate, progress, force=options.force
            ),
            "-" if options.json else None,
        )
    if not options.json and options.bag is None:
        # As it was called, which need not be where the shell looks.
        program = sys.argv[0] if Path(sys.argv[0]).name == "sam3-ros" else "sam3-ros"
        print(f"\n{program} look    # the same live in a browser, to type and to click")
    return code
