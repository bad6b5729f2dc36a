"""What ROS's graph tells of the node: whether it is there, its cameras, where their images come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rclpy.node import Node

from sam3_ros.look.node.camera_images import IMAGE_KINDS, ImageTopic

_SCORES, _SCORES_TYPE = "scores", "sam3_ros/msg/SegmentScores"


def cameras_of(node: Node, name: str) -> tuple[str, ...]:
    """Return the cameras of the node with this full name, sorted; one without a name is empty.

    None while the node is not configured.
    """
    found = set()
    for topic, types in node.get_topic_names_and_types():
        if _SCORES_TYPE not in types or not topic.startswith(f"{name}/"):
            continue
        camera, _, last = topic.removeprefix(f"{name}/").rpartition("/")
        # Our own subscriptions are listed too.
        if last == _SCORES and "/" not in camera and node.count_publishers(topic):
            found.add(camera)
    return tuple(sorted(found))


def image_topics_of(node: Node, name: str) -> tuple[ImageTopic, ...]:
    """Return the topics from which the node with this full name takes images, but for depth."""
    topics = []
    for topic, types in node.get_topic_names_and_types():
        kind = next((each for each in types if each in IMAGE_KINDS), None)
        # By the topic: rclpy raises an error for a node that it does not know yet.
        if kind is not None and name in _subscribers(node, topic):
            topics.append(ImageTopic(topic, kind))
    # By the usual names; of others the encoding tells it later.
    pictures = tuple(topic for topic in topics if "depth" not in topic.name)
    return pictures or tuple(topics)


def topics_of_camera(
    camera: str, cameras: Iterable[str], topics: Sequence[ImageTopic], namespace: str
) -> tuple[ImageTopic, ...]:
    """Return the topics that may be this camera's.

    Those that were remapped do not tell whose they are; then it is one of those that are nobody's.
    namespace: of the node, such as "/".
    """
    named = {
        each: [t for t in topics if t.name in _names_of(each, namespace)]
        for each in cameras
        if each
    }
    if named.get(camera):
        return tuple(named[camera])
    taken = {topic for found in named.values() for topic in found}
    return tuple(topic for topic in topics if topic not in taken)


def _names_of(camera: str, namespace: str) -> tuple[str, str]:
    image = f"{namespace.rstrip('/')}/{camera}/image"
    return image, f"{image}/compressed"


def _subscribers(node: Node, topic: str) -> set[str]:
    return {
        f"{each.node_namespace.rstrip('/')}/{each.node_name}"
        for each in node.get_subscriptions_info_by_topic(topic)
    }
