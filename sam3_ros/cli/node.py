"""`sam3-ros node`: the node on one's own camera, webcam or video, without a ROS install."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command, positive_number
from sam3_ros.cli.needs import require
from sam3_ros.cli.table import left, table
from sam3_ros.core.errors import Sam3RosError

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.live.camera_child import CameraSettings

# Into a pipe Python would hold the lines back.
_print = partial(print, flush=True)
#: The argument of each option that stands for one.
_ARGUMENTS = {
    "image": "image",
    "transport": "transport",
    "depth": "depth_image",
    "bundle": "bundle",
    "backend": "backend",
    "precision": "precision",
    "preset": "preset",
    "params_file": "params_file",
    "name": "name",
    "namespace": "namespace",
}
_IMAGE = "/camera/image_raw"
_SEPARATOR = ";"


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "node",
        "run the segmentation node on your own camera, a webcam or a video",
        """
        sam3-ros node --camera 0 --text "red cube"    # a webcam; prints what is found each second
        sam3-ros node --video film.mp4 --loop --text "red cube; ball"
        sam3-ros node --image /camera/image_raw --text "red cube"    # a camera that runs in ROS
        sam3-ros node --image /camera/image_raw --transport compressed --preset desktop_cpu
        sam3-ros node --image /camera/image_raw --depth /camera/depth/image_raw    # and where it is
        sam3-ros node cameras:="front=/front/image_raw left=/left/image_raw" max_rate:=5
        sam3-ros node --show-args    # all that may be given as NAME:=VALUE
        """,
        _run,
    )
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="NAME:=VALUE",
        help="any argument of launch/segmentation.launch.py, every parameter of the node among "
        "them; --show-args lists them",
    )
    _add_image_options(parser)
    _add_node_options(parser)
    parser.add_argument(
        "--show",
        action=argparse.BooleanOptionalAction,
        help="print each second what is found; as a rule with --camera and --video only, because "
        "the node works on images only while somebody listens",
    )
    parser.add_argument("--show-args", action="store_true", help="list the arguments and end")


def _add_image_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_argument_group("images")
    source.add_argument(
        "--image", metavar="TOPIC", help=f"topic of the raw images (default: {_IMAGE})"
    )
    source.add_argument("--transport", metavar="raw|compressed", help="how they are published")
    source.add_argument(
        "--depth",
        metavar="TOPIC",
        help="topic of raw depth that is registered to the camera: say where things are in space",
    )
    own = source.add_mutually_exclusive_group()
    own.add_argument(
        "--camera",
        metavar="N|DEVICE",
        help="publish this webcam on the topic, such as 0 or /dev/video0",
    )
    own.add_argument(
        "--video", type=_file, metavar="FILE", help="publish this video, or a folder of images"
    )
    source.add_argument("--loop", action="store_true", help="begin the video again at its end")
    source.add_argument(
        "--rate",
        type=positive_number("images per second, such as 10", 1000),
        metavar="R",
        help="images per second (default: the source's own)",
    )


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    node = parser.add_argument_group("node")
    node.add_argument(
        "--text",
        action="append",
        metavar="WORDS",
        help='what to find, phrases separated by ";"; repeatable',
    )
    node.add_argument("--bundle", help="name or folder of a bundle (default: tabletop)")
    node.add_argument("--backend", help="cpu, cuda, tensorrt, tensorrt_rtx or openvino")
    node.add_argument("--precision", help="which of the bundle's files; or tf32, bf16")
    node.add_argument("--preset", help="parameters for a kind of machine, as in config/presets")
    node.add_argument("--params-file", metavar="FILE", help="your parameters")
    node.add_argument("--name", help="name of the node (default: segmentation_node)")
    node.add_argument("--namespace", help="namespace of the node and its topics")


def _run(options: argparse.Namespace) -> int:
    require("rclpy", "sam3_ros.msg")
    if options.show_args:
        return _show_arguments()
    from sam3_ros.live.run import RunSettings, run
    from sam3_ros.ros.launching.process_arguments import node_command

    given = _given(options)
    camera = _camera(options, given)
    show = camera is not None if options.show is None else options.show
    node = node_command(given)
    if camera is not None:
        camera = replace(camera, max_megapixels=node.parameters.get("max_megapixels"))
    if options.text and not node.parameters.get("prompts"):
        raise Sam3RosError(
            f'--text must not be blank: give words such as "cube", got {" ".join(options.text)!r}'
        )
    run(RunSettings(node, camera, show), _print)
    return 0


def _given(options: argparse.Namespace) -> dict[str, str]:
    """Return the arguments by name. Raises Sam3RosError for one that is given twice."""
    given: dict[str, str] = {}
    for text in options.arguments:
        name, separator, value = text.partition(":=")
        if not (separator and name):
            raise Sam3RosError(f"expected NAME:=VALUE or an option, got {text!r}")
        _set(given, name, value)
    for option, name in _ARGUMENTS.items():
        if getattr(options, option) is not None:
            _set(given, name, getattr(options, option))
    if options.depth is not None:
        _set(given, "depth", "true")
    if options.text:
        _set(given, "prompts", _SEPARATOR.join(options.text))
    return given


def _set(given: dict[str, str], name: str, value: str) -> None:
    if name in given:
        raise Sam3RosError(f"{name} is given twice: {given[name]!r} and {value!r}")
    given[name] = value


def _camera(options: argparse.Namespace, given: dict[str, str]) -> CameraSettings | None:
    from sam3_ros.live.camera_child import CameraSettings

    if options.camera is None and options.video is None:
        for name in ("loop", "rate"):
            if getattr(options, name):
                raise Sam3RosError(f"--{name} is for --camera and --video")
        return None
    if given.get("cameras"):
        raise Sam3RosError("--camera and --video are one camera without a name: leave cameras away")
    return CameraSettings(
        options.camera,
        options.video,
        given.get("image", _IMAGE),
        given.get("transport") == "compressed",
        options.rate,
        options.loop,
    )


def _show_arguments() -> int:
    from sam3_ros.ros.launching.arguments import ARGUMENTS
    from sam3_ros.ros.launching.process_arguments import process_arguments

    others = [each for each in process_arguments(os.environ) if not each.of_launch]
    rows = [(f"{each.name}:={each.default}", each.description) for each in others]
    rows += [(f"{each.name}:=", each.description) for each in ARGUMENTS]
    for line in table((left(), left()), rows):
        _print(line)
    return 0


def _file(text: str) -> Path:
    if not text:  # as of a variable that is not set; Path would take it for the folder here
        raise argparse.ArgumentTypeError("expected a file or a folder, got an empty name")
    return Path(text)
