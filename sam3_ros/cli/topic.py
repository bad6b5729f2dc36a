"""`sam3-ros topic list|hz|echo`, for machines without the ros2 command."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command, add_group, add_json_option, whole_number
from sam3_ros.cli.needs import require
from sam3_ros.cli.table import left, table

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands

# Into a pipe Python would hold the lines back.
_print = partial(print, flush=True)


def register(commands: Commands) -> None:
    """Declare the command."""
    group = add_group(
        commands,
        "topic",
        "look at ROS topics where there is no ros2 command",
        """
        sam3-ros topic list
        sam3-ros topic hz /segmentation_node/mask
        sam3-ros topic echo /segmentation_node/scores --once
        """,
    )
    topics = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _register_list(topics)
    _register_hz(topics)
    _register_echo(topics)


def _register_list(topics: Commands) -> None:
    parser = add_command(
        topics,
        "list",
        "list topics with their types",
        "sam3-ros topic list\nsam3-ros topic list --all --json",
        _list,
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long to look (default: %(default)s)"
    )
    parser.add_argument("--all", action="store_true", help="also /rosout and /parameter_events")
    add_json_option(parser)


def _register_hz(topics: Commands) -> None:
    parser = add_command(
        topics,
        "hz",
        "measure how often messages arrive",
        "sam3-ros topic hz /camera/image/compressed --window 50",
        _hz,
    )
    _add_listening(parser)
    parser.add_argument(
        "--window",
        type=whole_number(2),
        default=100,
        metavar="N",
        help="messages to average over (default: %(default)s)",
    )


def _register_echo(topics: Commands) -> None:
    parser = add_command(
        topics,
        "echo",
        "print messages as they arrive",
        """
        sam3-ros topic echo /segmentation_node/scores
        sam3-ros topic echo /diagnostics --count 3 --array 50
        """,
        _echo,
    )
    _add_listening(parser)
    parser.add_argument("--once", action="store_true", help="the same as --count 1")
    parser.add_argument(
        "--array",
        type=whole_number(1),
        default=12,
        metavar="N",
        help="elements to show of an array (default: %(default)s)",
    )


def _add_listening(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--count", type=whole_number(1), metavar="N", help="stop after N messages")
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds to wait for a publisher (default: %(default)s)",
    )


def _list(options: argparse.Namespace) -> int:
    require("rclpy")
    from sam3_ros.topics.commands import list_topics

    topics = list_topics(options.seconds, options.all)
    if options.json:
        _print(json.dumps([asdict(topic) for topic in topics], indent=2))
        return 0
    rows = [
        (
            topic.name,
            ", ".join(topic.types),
            f"({topic.publishers} publishing, {topic.subscriptions} listening)",
        )
        for topic in topics
    ]
    for line in table((left(), left(), left()), rows):
        _print(line)
    return 0


def _hz(options: argparse.Namespace) -> int:
    require("rclpy")
    from sam3_ros.topics.commands import measure_rate

    measure_rate(options.topic, options.window, options.count, options.patience, _print)
    return 0


def _echo(options: argparse.Namespace) -> int:
    require("rclpy")
    from sam3_ros.topics.commands import echo_topic

    count = 1 if options.once else options.count
    echo_topic(options.topic, count, options.array, options.patience, _print)
    return 0
