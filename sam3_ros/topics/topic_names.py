"""Which topics there are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rclpy.node import Node

from sam3_ros.core.errors import Sam3RosError

_POLL = 0.1


class TopicError(Sam3RosError):
    """A topic that is not there, or that cannot be listened to."""


@dataclass(frozen=True)
class TopicInfo:
    name: str
    types: tuple[str, ...]
    publishers: int
    subscriptions: int


def topics_of(node: Node) -> list[TopicInfo]:
    """All that the node has discovered so far, by name."""
    return [
        TopicInfo(name, tuple(types), node.count_publishers(name), node.count_subscribers(name))
        for name, types in sorted(node.get_topic_names_and_types())
    ]


def wait_for_type(node: Node, topic: str, patience: float) -> str:
    """The type of what is published on a topic, once somebody does. Raises TopicError."""
    end = time.monotonic() + patience
    while not (found := {info.topic_type for info in node.get_publishers_info_by_topic(topic)}):
        if time.monotonic() > end:
            raise TopicError(
                f"nobody has published on {topic} for {patience:g} s; `sam3-ros topic list` shows "
                "what there is in this ROS_DOMAIN_ID"
            )
        time.sleep(_POLL)
    if len(found) > 1:
        raise TopicError(f"{topic} has more than one type: {', '.join(sorted(found))}")
    return str(found.pop())
