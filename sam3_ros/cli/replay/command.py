"""`sam3-ros replay`: a recorded bag through the node, every frame accounted for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command, prepare_output
from sam3_ros.cli.needs import require
from sam3_ros.cli.node_options import add_node_model_options, node_parameters
from sam3_ros.cli.out_folder import WRITTEN_BY, add_force_option, require_own
from sam3_ros.cli.replay.judging import add_judging_options, is_judged, run_judged
from sam3_ros.cli.replay.outcome import REPLAY, run_and_print

if TYPE_CHECKING:
    from collections.abc import Collection

    from sam3_ros.cli.command import Commands
    from sam3_ros.replay.ask.cues import PromptCue
    from sam3_ros.replay.ask.settings import CameraSource, ReplaySettings


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "replay",
        "play a rosbag2 recording through the node and account for every frame",
        """
        sam3-ros replay my_bag --text "red cube" --out out/replay
        sam3-ros replay my_bag --text "0:red cube" --text "4:balls" --point 2.5:320,240
        sam3-ros replay my_bag --prompts prompts.yaml --rate 0.5 --loop 3 --json
        sam3-ros replay my_bag --camera front=/front/image --camera side=/side/image --rate answered
        sam3-ros replay my_bag --expect my_test.yaml --junit out/junit.xml --out out/replay
        sam3-ros replay my_bag --text "red cube" --against precision=fp16
        sam3-ros replay my_bag --text "red cube" --rate answered --depth
        sam3-ros replay my_bag --no-node --node /camera/segmentation_node
        """,
        _run,
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3 file")
    _add_prompts(parser)
    _add_playing(parser)
    add_node_model_options(parser)
    _add_node(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="for overlay video, contact sheet and the node's log",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write JSON, for a program to read: to a file, or in place of the table",
    )
    add_force_option(parser)
    add_judging_options(parser)


def _add_prompts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prompts, at T seconds into the bag")
    for name, form, what in (
        ("text", "[T:]TEXT", "phrases, with ';' between several; empty clears them"),
        ("point", "T:[NAME:]X,Y", "a click, image px; NAME: the camera where there are several"),
        ("box", "T:[NAME:]X0,Y0,X1,Y1", "a box by two corners, image px"),
        ("track", "[T:]TEXT", "phrases whose objects keep an id from there on, beside other texts"),
        ("track-point", "T:[NAME:]X,Y", "a click on an object that is followed from there on"),
        ("track-box", "T:[NAME:]X0,Y0,X1,Y1", "a box around one that is followed"),
    ):
        group.add_argument(f"--{name}", action="append", default=[], metavar=form, help=what)
    group.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="a YAML list of {at: 2.5, text: red cube}, point: [x, y], box: [x0, y0, x1, y1] "
        "or remove: id, with camera, id, tracking",
    )


def _add_playing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("playing")
    group.add_argument(
        "--rate",
        type=rate,
        default=1.0,
        metavar="R|answered",
        help="2 is twice as fast (default: 1); answered sends an image when the one before is back",
    )
    group.add_argument("--loop", type=int, default=1, metavar="N", help="play N times (default: 1)")
    group.add_argument(
        "--loop-clock", action="store_true", help="each loop with the recorded stamps: time jumps"
    )
    group.add_argument(
        "--clock", action="store_true", help="publish /clock; a node started here uses it"
    )
    group.add_argument("--image-topic", metavar="TOPIC", help="which of the bag's cameras")
    group.add_argument(
        "--camera",
        action="append",
        default=[],
        type=_named_topic,
        metavar="NAME=TOPIC",
        help="a camera of the node and its topic in the bag; repeatable",
    )
    group.add_argument(
        "--publish-as",
        action="append",
        default=[],
        type=_perhaps_named_topic,
        metavar="[NAME=]TOPIC",
        help="topic that the images go out on (default: as in the bag)",
    )
    group.add_argument(
        "--depth",
        action="append",
        nargs="?",
        const="",
        default=[],
        type=_perhaps_named_topic,
        metavar="[NAME=]TOPIC",
        help="give the node depth of this topic; without a topic the one that is beside the images",
    )
    group.add_argument(
        "--player",
        choices=("own", "ros2"),
        default="own",
        help="ros2: a child `ros2 bag play` publishes the bag (default: %(default)s)",
    )


def _add_node(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which node")
    group.add_argument(
        "--no-node", action="store_true", help="use a running node, instead of starting one"
    )
    group.add_argument(
        "--node", default="/segmentation_node", metavar="NAME", help="default: %(default)s"
    )
    group.add_argument("--params-file", type=Path, metavar="FILE", help="parameters as YAML")
    group.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="S",
        help="longest wait for the node to be active, and for its last answers (default: 60)",
    )


def _run(options: argparse.Namespace) -> int:
    require("rclpy", "sam3_ros.msg", "rosbags")
    from sam3_ros.replay.replay import replay

    settings = _settings(options)
    judged = is_judged(options)
    require_own(options.json, f'"{WRITTEN_BY}": "{REPLAY}"', force=options.force)
    require_own(options.junit, f'name="{REPLAY}"', force=options.force)
    for file in (options.json, options.junit):
        prepare_output(file)
    if judged:
        return run_judged(options, settings)
    return run_and_print(lambda progress: replay(settings, progress), options.json)


def _settings(options: argparse.Namespace) -> ReplaySettings:
    from sam3_ros.replay.ask.settings import NodeSettings, Player, ReplaySettings

    return ReplaySettings(
        bag=options.bag,
        cues=_cues(options),
        rate=options.rate,
        loops=options.loop,
        cameras=_cameras(options),
        clock=options.clock,
        repeat_stamps=options.loop_clock,
        player=Player(options.player),
        node=NodeSettings(
            name=options.node,
            starts_here=not options.no_node,
            parameters=node_parameters(options),
            params_file=options.params_file,
            patience=options.patience,
        ),
        out=options.out,
        force=options.force,
    )


def _cameras(options: argparse.Namespace) -> tuple[CameraSource, ...]:
    from sam3_ros.replay.ask.settings import CameraSource, ReplayError

    topics = dict(options.camera) or {"": options.image_topic}
    published_as = dict(options.publish_as)
    if options.camera and options.image_topic:
        raise ReplayError("give --image-topic or --camera, not both")
    if len(dict(options.camera)) < len(options.camera):
        raise ReplayError("two --camera have one name")
    if set(published_as) - set(topics):
        raise ReplayError("--publish-as is NAME=TOPIC of a --camera, or a TOPIC without any")
    depths = _depths(options, topics)
    return tuple(
        CameraSource(n, topic, published_as.get(n), depths.get(n)) for n, topic in topics.items()
    )


def _depths(options: argparse.Namespace, cameras: Collection[str]) -> dict[str, str]:
    """Return the topics of depth by camera; empty ones are found beside the images."""
    from sam3_ros.replay.ask.settings import BESIDE_IMAGES, ReplayError

    depths = dict(each or ("", BESIDE_IMAGES) for each in options.depth)
    if list(depths.items()) == [("", BESIDE_IMAGES)]:
        return dict.fromkeys(cameras, BESIDE_IMAGES)
    if set(depths) - set(cameras):
        raise ReplayError("--depth is NAME=TOPIC of a --camera, or a TOPIC without any")
    return depths


def _cues(options: argparse.Namespace) -> tuple[PromptCue, ...]:
    from sam3_ros.replay.ask.parsing import box_cue, point_cue, read_prompt_file, text_cue

    cues: list[PromptCue] = [text_cue(text) for text in options.text]
    cues += [point_cue(text) for text in options.point]
    cues += [box_cue(text) for text in options.box]
    cues += [text_cue(text, tracking=True) for text in options.track]
    cues += [point_cue(text, tracking=True) for text in options.track_point]
    cues += [box_cue(text, tracking=True) for text in options.track_box]
    if options.prompts is not None:
        cues += read_prompt_file(options.prompts)
    return tuple(cues)


def rate(text: str) -> float | None:
    """Parse a rate; None for `answered`."""
    return None if text == "answered" else float(text)


def _named_topic(text: str) -> tuple[str, str]:
    name, separator, topic = text.partition("=")
    if not (separator and name.strip() and topic.strip()):
        raise argparse.ArgumentTypeError(f"expected NAME=TOPIC, got {text!r}")
    return name.strip(), topic.strip()


def _perhaps_named_topic(text: str) -> tuple[str, str]:
    return _named_topic(text) if "=" in text else ("", text)
