"""Ground truth in space: where the visible part of each object is, in images that have depth.

/truth/places, or /side/truth/places for a further camera: std_msgs/String, once, JSON, metres in
the camera's optical frame: {"STAMP_NS": {"1": {"centre": [x, y, z], "box": [l, w, h]}}}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sam3_ros.replay.bag.bag import Bag, BagError
from sam3_ros.replay.bag.truth import LABELS_TOPIC, truth_topic

PLACES_TOPIC = "/truth/places"

Metres3 = tuple[float, float, float]


@dataclass(frozen=True)
class BagPlace:
    """Where an object's visible part is in one image, m, in the camera's optical frame."""

    centre: Metres3
    #: Lengths of the box around it, the largest first.
    box: Metres3


#: By the stamp of the image, ns, then by the object's number.
TruePlaces = Mapping[int, Mapping[int, BagPlace]]


def read_places(bag: Bag, images: str) -> TruePlaces:
    """Read the true places of the camera with this image topic; none if the bag has none.

    Raises BagError if they are malformed.
    """
    labels = truth_topic(bag, images)
    if labels is None:
        return {}
    topic = labels.removesuffix(LABELS_TOPIC) + PLACES_TOPIC
    if topic not in bag.topics:
        return {}
    places: dict[int, dict[int, BagPlace]] = {}
    for message in bag.messages([topic]):
        places |= _places(bag, topic, bag.decode(message).data)
    return places


def _places(bag: Bag, topic: str, text: str) -> dict[int, dict[int, BagPlace]]:
    try:
        return {
            int(stamp): {int(number): _place(entry) for number, entry in objects.items()}
            for stamp, objects in json.loads(text).items()
        }
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BagError(
            'expected {"STAMP_NS": {"1": {"centre": [x, y, z], "box": [l, w, h]}}} on '
            f"{topic} of {bag.path}, got {text[:200]!r}"
        ) from error


def _place(entry: Mapping[str, Any]) -> BagPlace:
    (x, y, z), (long, middle, short) = (map(float, entry[key]) for key in ("centre", "box"))
    return BagPlace((x, y, z), (long, middle, short))
