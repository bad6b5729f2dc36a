"""The segmentation node as a child process, and its command line for a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.own_program import own_command
from sam3_ros.replay.ask.plan import CameraPlan
from sam3_ros.replay.ask.settings import ReplayError, ReplaySettings
from sam3_ros.replay.bag.bag import COMPRESSED_IMAGE
from sam3_ros.replay.bag.topic_names import COMPRESSED
from sam3_ros.replay.under_test.child_process import ChildProcess, exit_in_words
from sam3_ros.ros.cameras import Camera

# A click is judged on the image that it was placed on. In the next ones it would stay at its place,
# whatever moves there, and cover what texts find: a label image has one prompt a pixel.
_CLICK_SECONDS = 0.001
#: The name of the node's log, in the folder of a replay.
NODE_LOG = "node.log"


class NodeFailedError(Sam3RosError):
    """The node ended or cannot work; the message contains the end of its log."""


class NodeChild(ChildProcess):
    """The node's process: `with NodeChild(arguments, log, environment) as child:`"""

    def __init__(
        self, arguments: Sequence[str], log_file: Path | None, environment: Mapping[str, str]
    ) -> None:
        """Start the node. arguments: as after `ros2 run sam3_ros segmentation_node`.

        log_file: None to let it log where this process does.
        """
        command = [*own_command("sam3_ros.ros.segmentation_node"), *arguments]
        super().__init__(command, log_file, environment)

    def __enter__(self) -> NodeChild:
        return self

    def check(self) -> None:
        """Raise NodeFailedError if the node has ended."""
        code = self.exit_code
        if code is not None:
            raise self.failed(f"the node ended with {exit_in_words(code)}")

    def failed(self, what: str) -> NodeFailedError:
        """Return an error with what happened and the end of the node's log."""
        return NodeFailedError(self.with_last_words(what))


def node_arguments(settings: ReplaySettings, cameras: Sequence[CameraPlan]) -> list[str]:
    """Return the arguments of a node that subscribes to the images as they are published.

    The user's parameters come last and win. Raises ReplayError for topics that the node cannot
    subscribe to.
    """
    node = settings.node
    namespace, _, name = node.name.rpartition("/")
    arguments = ["--ros-args", "-r", f"__node:={name}", "-r", f"__ns:={namespace or '/'}"]
    for camera in cameras:
        arguments += ["-r", f"{Camera(camera.name).image_topic}:={_base_topic(camera)}"]
        if camera.depth is not None:
            depth, info = Camera(camera.name).depth_topic, Camera(camera.name).info_topic
            arguments += ["-r", f"{depth}:={camera.depth.base_topic}"]
            arguments += ["-r", f"{info}:={camera.depth.info}"]
    # Before the params file, which may have another.
    arguments += ["-p", f"click_seconds:={_CLICK_SECONDS}"]
    if node.params_file is not None:
        arguments += ["--params-file", str(node.params_file)]
    for key, value in {**_parameters(settings, cameras), **dict(node.parameters)}.items():
        arguments += ["-p", f"{key}:={value}"]
    return arguments


def _parameters(settings: ReplaySettings, cameras: Sequence[CameraPlan]) -> dict[str, str]:
    kinds = {camera.images.type_name for camera in cameras}
    if len(kinds) > 1:
        raise ReplayError(
            "the node takes all cameras raw or all compressed: choose topics of one type, got "
            f"{', '.join(sorted(kinds))}"
        )
    parameters = {
        "image_transport": "compressed" if kinds == {COMPRESSED_IMAGE} else "raw",
        "diagnostics_period": "0.25",
    }
    parameters |= _depth_parameters(cameras)
    names = [camera.name for camera in cameras if camera.name]
    if names:
        parameters["cameras"] = f"[{', '.join(names)}]"
    if settings.clock:
        parameters["use_sim_time"] = "true"
    if settings.rate is None:
        parameters["image_reliability"] = "reliable"  # no image is lost in transport
    return parameters


def _depth_parameters(cameras: Sequence[CameraPlan]) -> dict[str, str]:
    depths = [camera.depth for camera in cameras if camera.depth is not None]
    if not depths:
        return {}
    if len({depth.is_compressed for depth in depths}) > 1:
        raise ReplayError(
            "the node takes depth of all cameras raw or of all compressed: choose topics of one "
            f"type, got {', '.join(depth.images.name for depth in depths)}"
        )
    transport = "compressedDepth" if depths[0].is_compressed else "raw"
    return {"depth": "true", "depth_transport": transport}


def _base_topic(camera: CameraPlan) -> str:
    published_as = camera.published_as
    if camera.images.type_name != COMPRESSED_IMAGE:
        return published_as
    base = published_as.removesuffix(COMPRESSED)
    if base == published_as:
        raise ReplayError(
            f"the node takes compressed images from topics that end in {COMPRESSED}, not from "
            f"{published_as}: give another with --publish-as"
        )
    return base
