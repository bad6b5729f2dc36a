"""The launch arguments image and cameras: which cameras the node has, and the topics of each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sam3_ros.ros.cameras import Camera, CameraNameError, Cameras
from sam3_ros.ros.launching.arguments import LaunchArgumentError

IMAGE = "/camera/image_raw"
_COMPRESSED = "/compressed"
_TOPIC = re.compile(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*")
_FORM = 'cameras:="front=/front/image_raw left=/left/image_raw"'


@dataclass(frozen=True)
class CameraTopics:
    """topic_of: camera -> topic of its raw images, for those whose topic was given."""

    cameras: Cameras
    topic_of: tuple[tuple[Camera, str], ...]

    @property
    def names(self) -> list[str]:
        """For the parameter cameras; empty where it is left to preset and params file."""
        return [name for name in self.cameras.names if name]

    @property
    def remappings(self) -> list[tuple[str, str]]:
        """What the node calls a topic, and the camera driver's name for it."""
        return [
            (camera.image_topic + suffix, topic + suffix)
            for camera, topic in self.topic_of
            for suffix in ("", _COMPRESSED)
        ]


def camera_topics(image: str, cameras: str) -> CameraTopics:
    """Of the two arguments. Raises LaunchArgumentError."""
    entries = [entry.partition("=") for entry in cameras.replace(",", " ").split()]
    if not entries:
        return CameraTopics(Cameras.named(()), ((Camera(), _raw_topic("image", image)),))
    if image != IMAGE:
        raise LaunchArgumentError(
            f"image is the topic of a camera without a name; with cameras, write {_FORM}"
        )
    try:
        named = Cameras.named(name for name, _, _ in entries)
        if not all(named.names) or len(named) < len(entries):
            raise CameraNameError("a name is missing")
    except CameraNameError as error:
        raise LaunchArgumentError(f"argument 'cameras': {error}; write {_FORM}") from error
    topics = tuple(
        (named.find(name), _raw_topic("cameras", topic))
        for name, equals, topic in entries
        if equals
    )
    return CameraTopics(named, topics)


def _raw_topic(argument: str, topic: str) -> str:
    if not _TOPIC.fullmatch(topic):
        raise LaunchArgumentError(
            f"argument '{argument}' expects a topic such as {IMAGE}; got {topic!r}"
        )
    if topic.endswith(_COMPRESSED):
        raise LaunchArgumentError(
            f"argument '{argument}': give the raw topic, {topic.removesuffix(_COMPRESSED)}, with "
            "transport:=compressed"
        )
    return topic
