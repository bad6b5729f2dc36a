"""Why no image arrives, from what the ROS graph shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy

from sam3_ros.live.watch import IMAGE_TYPES, NodeWatch
from sam3_ros.topics.listening import domain_text

#: Writes a line for a person.
Write: TypeAlias = Callable[[str], None]

_RAW, _COMPRESSED = IMAGE_TYPES
# Without an image for so long, it is said why; and again after the longer time.
_SILENT_SECONDS, _SAY_AGAIN_SECONDS = 5.0, 30.0


class Silence:
    """Says why no image arrives."""

    def __init__(self, node_name: str, watch: NodeWatch, write: Write) -> None:
        self._node_name, self._watch, self._write = node_name, watch, write
        self._received = 0
        self._since = time.monotonic()
        self._said: float | None = None

    def check(self) -> None:
        """Write the reason if none has come for a while, and when they come again."""
        report, now = self._watch.report, time.monotonic()
        if report is None or report.state != "active":
            self._since = now
            return
        received = report.of("").received
        if received != self._received:
            if self._said is not None:
                self._write("images     come now")
            self._received, self._since, self._said = received, now, None
        elif now - self._since > _SILENT_SECONDS and (
            self._said is None or now - self._said > _SAY_AGAIN_SECONDS
        ):
            self._said = now
            self._tell(now - self._since)

    def _tell(self, seconds: float) -> None:
        node = self._watch.node
        published = publications(node, self._node_name)
        for topic in self._watch.image_topics():
            want = wanted(node, topic, self._node_name)
            if want is not None:
                reason = why_no_image(want, published)
                self._write(f"no image   for {seconds:.0f} s: {reason}")


@dataclass(frozen=True)
class Publication:
    """A topic that somebody publishes on."""

    topic: str
    type_name: str
    #: Names of the nodes that publish it.
    nodes: tuple[str, ...] = ()
    #: Whether all of them offer to send lost messages again.
    reliable: bool = True


@dataclass(frozen=True)
class Wanted:
    """What the node listens to."""

    topic: str
    type_name: str
    reliable: bool


def publications(node: Node, own_name: str) -> list[Publication]:
    """Return what others than the node of this full name publish, by topic and type."""
    found = []
    for topic, types in sorted(node.get_topic_names_and_types()):
        if topic.startswith(f"{own_name}/"):
            continue
        publishers = node.get_publishers_info_by_topic(topic)
        for type_name in types:
            of_type = [each for each in publishers if each.topic_type == type_name]
            if of_type:
                names = tuple(sorted({each.node_name for each in of_type}))
                reliable = all(
                    each.qos_profile.reliability == ReliabilityPolicy.RELIABLE for each in of_type
                )
                found.append(Publication(topic, type_name, names, reliable))
    return found


def wanted(node: Node, topic: str, own_name: str) -> Wanted | None:
    """Return what the node of this full name wants on the topic; None if it does not listen."""
    for each in node.get_subscriptions_info_by_topic(topic):
        if f"{each.node_namespace.rstrip('/')}/{each.node_name}" == own_name:
            reliable = each.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            return Wanted(topic, each.topic_type, reliable)
    return None


def why_no_image(want: Wanted, published: Sequence[Publication]) -> str:
    """Return in one row what is wrong, and what to do."""
    on_topic = [each for each in published if each.topic == want.topic]
    right = [each for each in on_topic if each.type_name == want.type_name]
    if right and want.reliable and not right[0].reliable:
        return (
            f"{right[0].nodes[0]} publishes {want.topic} best effort, and the node wants reliable: "
            "reliability:=auto"
        )
    if right:
        return (
            f"{', '.join(right[0].nodes)} publishes {want.topic}, but no image has come: does the "
            "camera run, and is its driver started with this package's Fast DDS profile "
            "(config/fastdds.xml)? transport:=compressed needs less"
        )
    if on_topic:
        return (
            f"{want.topic} is published as {on_topic[0].type_name}, and the node takes "
            f"{want.type_name}: {_other_type(want, published)}"
        )
    return f"nobody publishes {want.topic}: {_other_topics(want, published)}"


def _other_type(want: Wanted, published: Sequence[Publication]) -> str:
    return _other_topics(want, [each for each in published if each.topic != want.topic])


def _other_topics(want: Wanted, published: Sequence[Publication]) -> str:
    images = [each for each in published if each.type_name in IMAGE_TYPES]
    raw = want.topic.removesuffix("/compressed")
    for each in images:
        if each.topic == f"{raw}/compressed" and want.type_name == _RAW:
            return f"{each.topic} is there: transport:=compressed"
        if each.topic == raw and want.type_name == _COMPRESSED:
            return f"{each.topic} is there: transport:=raw"
    if not images:
        return (
            f"no image topic is here ({domain_text()}): start the camera's driver, or see what "
            "--camera and --video do"
        )
    listed = ", ".join(f"{each.topic} ({each.type_name})" for each in images)
    return f"the image topics here are {listed}: {_how_to_name(images[0])}"


def _how_to_name(image: Publication) -> str:
    if image.type_name == _COMPRESSED:
        return f"image:={image.topic.removesuffix('/compressed')} transport:=compressed"
    return f"image:={image.topic}"
