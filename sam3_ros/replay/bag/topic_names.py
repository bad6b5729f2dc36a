"""Names of topics that ROS 2 takes: https://design.ros2.org/articles/topic_and_service_names.html.

Bags of ROS 1 and of other recorders have names such as /camera/0/image and /front-left/image.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_VALID = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
_LONGEST = 247  # of rmw
#: What image_transport's compressed topics end in, the only ones that the node subscribes to.
COMPRESSED = "/compressed"


def is_topic_name(name: str) -> bool:
    """Return whether ROS 2 takes the full name of a topic."""
    return bool(_VALID.fullmatch(name)) and "__" not in name and len(name) <= _LONGEST


def nearest_topic_name(name: str, taken: Collection[str] = (), room: int = 0) -> str:
    """Return a name that ROS 2 takes and that is like another: /camera/_0/image.

    taken: names of other topics; a number makes it differ from them. room: characters that are to
    be added to it.
    """
    longest = _LONGEST - room
    parts = [re.sub(r"[^A-Za-z0-9_]", "_", part) for part in name.split("/") if part]
    parts = [f"_{part}" if part[0].isdigit() else part for part in parts]
    parts = [re.sub(r"_{2,}", "_", part)[:longest] for part in parts] or ["topic"]
    nearest = f"/{'/'.join(parts)}"[:longest].rstrip("/")
    number = 2
    found = nearest
    while found in taken:
        folder, _, last = nearest.rpartition("/")
        # The last part has a meaning: image_transport's /compressed.
        found = f"{folder}_{number}/{last}" if folder else f"{nearest}_{number}"
        number += 1
    return found
