"""The depth of a camera in a bag: which topic it is on, and which camera_info belongs to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sam3_ros.replay.ask.settings import BESIDE_IMAGES, CameraSource, ReplayError
from sam3_ros.replay.bag.bag import COMPRESSED_IMAGE, Bag, BagTopic
from sam3_ros.replay.bag.topic_names import COMPRESSED, is_topic_name

COMPRESSED_DEPTH = "/compressedDepth"
_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


@dataclass(frozen=True)
class DepthPlan:
    """Where the depth of one camera is in the bag."""

    images: BagTopic
    #: The topic of sensor_msgs/CameraInfo.
    info: str

    @property
    def is_compressed(self) -> bool:
        return self.images.type_name == COMPRESSED_IMAGE

    @property
    def base_topic(self) -> str:
        """The topic as the node takes it: without the suffix of a transport."""
        return self.images.name.removesuffix(COMPRESSED_DEPTH)


def find_depth(bag: Bag, source: CameraSource, images: BagTopic) -> DepthPlan | None:
    """Return the depth of a camera; None where none was asked for.

    It is on the topic that was asked for, or on the only one of depth in the nearest folder above
    the images. Raises ReplayError.
    """
    if source.depth is None:
        return None
    asked = source.depth
    topic = _beside(bag, images.name) if asked == BESIDE_IMAGES else asked
    if topic not in bag.topics or not bag.is_depth(topic):
        raise ReplayError(
            f"{bag.path} has no depth (16UC1, 32FC1 or compressedDepth) on {topic}; it has "
            f"{', '.join(depth_topics(bag)) or 'none'}"
        )
    if not is_topic_name(topic):
        raise ReplayError(f"the depth of {bag.path} is on {topic}, a name that ROS 2 does not take")
    depth = bag.topics[topic]
    if depth.type_name == COMPRESSED_IMAGE and not topic.endswith(COMPRESSED_DEPTH):
        raise ReplayError(
            f"the node takes compressed depth from topics that end in {COMPRESSED_DEPTH}, not "
            f"from {topic}"
        )
    return DepthPlan(depth, _info(bag, topic, images.name))


def depth_topics(bag: Bag) -> list[str]:
    """Return the topics of depth that have an image, in a form that the node takes."""
    return [name for name, each in bag.topics.items() if _is_taken(each) and bag.is_depth(name)]


def _is_taken(topic: BagTopic) -> bool:
    is_other = topic.type_name == COMPRESSED_IMAGE and not topic.name.endswith(COMPRESSED_DEPTH)
    return topic.message_count > 0 and not is_other


def has_depth_beside(bag: Bag, images: str) -> bool:
    """Return whether the depth of a camera can be found without a name."""
    return any(len(found) == 1 for found in _nearest(bag, images))


def _beside(bag: Bag, images: str) -> str:
    for found in _nearest(bag, images):
        if len(found) == 1:
            return found[0]
        raise ReplayError(
            f"{bag.path} has depth for {images} on {', '.join(found)}: name the one that is "
            "registered to it, by --depth [NAME=]TOPIC or under play"
        )
    listed = ", ".join(depth_topics(bag)) or "none"
    raise ReplayError(
        f"{bag.path} has no depth (16UC1, 32FC1 or compressedDepth) beside {images}; it has "
        f"{listed}"
    )


def _nearest(bag: Bag, images: str) -> Iterator[list[str]]:
    """Yield the topics of depth in the nearest folder that has any; the root is no such folder."""
    topics = depth_topics(bag)
    for folder in _folders(images):
        if found := [topic for topic in topics if topic.startswith(f"{folder}/")]:
            yield found
            return


def _folders(topic: str) -> Iterator[str]:
    while topic := topic.rpartition("/")[0]:
        yield topic


def _info(bag: Bag, depth: str, images: str) -> str:
    """Return the camera_info beside the depth, or else beside the images."""
    bases = (depth.removesuffix(COMPRESSED_DEPTH), images.removesuffix(COMPRESSED))
    beside = [f"{base.rpartition('/')[0]}/camera_info" for base in bases]
    for name in beside:
        if name in bag.topics and bag.topics[name].type_name == _CAMERA_INFO:
            return name
    raise ReplayError(
        f"{bag.path} has no {_CAMERA_INFO} on {' or '.join(dict.fromkeys(beside))}: without the "
        "camera's numbers depth tells no place"
    )
