"""Names of cameras and of the topics of their labels, by the topics of their images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import count

#: Begins a key of a label bag's metadata; the rest is the root of topics, and the value the topic
#: of their images.
IMAGES_OF = "sam3_ros.images_of:"
# The last parts of names that say what an image is, not which camera took it.
_KINDS = re.compile(r"(compressed|ffmpeg|theora|image|color|rgb|mono)(_.+)?")


def label_roots(topics: Iterable[str]) -> dict[str, str]:
    """Return /labels/CAMERA for each topic of images."""
    return {topic: f"/labels/{camera}" for topic, camera in camera_names(topics).items()}


def camera_names(topics: Iterable[str]) -> dict[str, str]:
    """Return the camera of each topic of images, unique among them.

    It is the topic without its last parts that say what the image is, as far as that leaves
    something: of /front/image_raw/compressed it is front. Where two topics would have one camera,
    both keep their whole names; those that differ in slashes alone are numbered.
    """
    cameras = {topic: _camera(topic) for topic in topics}
    counts = Counter(cameras.values())
    names: dict[str, str] = {}
    for topic, camera in cameras.items():
        name = camera if counts[camera] == 1 else _without_slashes(topic)
        numbered = (name if number == 1 else f"{name}_{number}" for number in count(1))
        names[topic] = next(each for each in numbered if each not in names.values())
    return names


def _camera(topic: str) -> str:
    parts = _without_slashes(topic).split("/")
    while len(parts) > 1 and _KINDS.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


def _without_slashes(topic: str) -> str:
    """Return a topic without the slashes that no name of ROS has: such as at its end."""
    return "/".join(filter(None, topic.split("/"))) or "image"
