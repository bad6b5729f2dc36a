"""Ground truth in a bag: which object each pixel shows, and what the objects are.

/truth/labels: sensor_msgs/Image, mono8, an object's number per pixel (0: none), with the stamp of
its camera image; for a further camera such as /side/image it is /side/truth/labels.
/truth/objects, for all cameras: std_msgs/String, JSON, {"1": {"colour": "red", "shape": "cube"}}.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.replay.bag.bag import Bag, BagError
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.tabletop_words import read_phrase

LABELS_TOPIC, OBJECTS_TOPIC = "/truth/labels", "/truth/objects"
FIRST_CAMERA = "/camera"

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrueObject:
    colour: str
    shape: str

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth of one camera."""

    #: By stamp, ns: uint8 [H, W] of object numbers.
    labels: Mapping[int, Labels]
    #: By number.
    objects: Mapping[int, TrueObject]

    def named_by(self, phrase: str) -> frozenset[int] | None:
        """Return the numbers of the objects a phrase names; None if it is not understood."""
        meaning = read_phrase(phrase)
        if meaning is None:
            return None
        return frozenset(n for n, o in self.objects.items() if meaning.names(o.colour, o.shape))

    def mask(self, stamp_ns: int, numbers: Collection[int]) -> Mask:
        """Return the pixels of these objects, bool [H, W]."""
        return np.isin(self.labels[stamp_ns], list(numbers))

    def number_at(self, stamp_ns: int, x: float, y: float) -> int:
        """Return the object at a place, px; 0 for none or outside of the image."""
        labels = self.labels[stamp_ns]
        row, column = int(np.floor(y)), int(np.floor(x))
        if not (0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]):
            return 0
        return int(labels[row, column])

    def number_in(self, stamp_ns: int, box: Box) -> int:
        """Return the object whose bounds overlap a box best (IoU); 0 if none does."""
        bounds = {n: self.bounds(stamp_ns, n) for n in self.objects}
        overlaps = {n: _overlap(box, found) for n, found in bounds.items() if found is not None}
        best = max(overlaps, key=overlaps.__getitem__, default=0)
        return best if overlaps.get(best, 0.0) > 0 else 0

    def bounds(self, stamp_ns: int, number: int) -> Box | None:
        """Return the box around an object's pixels, px; None where it is not in view."""
        return mask_bounds(self.labels[stamp_ns] == number)


def read_truth(bag: Bag, images: str) -> Truth | None:
    """Read the ground truth of the camera with this image topic; None if the bag has none.

    Raises BagError if it is incomplete or malformed.
    """
    labels_topic = truth_topic(bag, images)
    if labels_topic is None:
        return None
    present = {labels_topic, OBJECTS_TOPIC} & set(bag.topics)
    if len(present) == 1:
        raise BagError(
            f"{bag.path} has {next(iter(present))}: ground truth needs labels and objects"
        )
    labels: dict[int, Labels] = {}
    objects: dict[int, TrueObject] = {}
    for message in bag.messages(present):
        content = bag.decode(message)
        if message.topic == OBJECTS_TOPIC:
            objects = _objects(bag, content.data)
        else:
            labels[read_header(message.cdr).stamp_ns] = _label_image(bag, content)
    return Truth(labels, objects)


def truth_topic(bag: Bag, images: str) -> str | None:
    """Return the topic of a camera's labels; None if there is none.

    It is beside the images, or /truth/labels for /camera and for the bag's only camera.
    """
    folder = images.removesuffix("/compressed").rpartition("/")[0]
    own = f"{folder}{LABELS_TOPIC}"
    if own in bag.topics:
        return own
    is_first = folder == FIRST_CAMERA or bag.camera_topics == [images]
    has_some = {LABELS_TOPIC, OBJECTS_TOPIC} & set(bag.topics)
    return LABELS_TOPIC if is_first and has_some else None


def _overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one.x_max, other.x_max) - max(one.x_min, other.x_min)
    height = min(one.y_max, other.y_max) - max(one.y_min, other.y_min)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def _objects(bag: Bag, text: str) -> dict[int, TrueObject]:
    try:
        return {
            int(number): TrueObject(str(entry["colour"]), str(entry["shape"]))
            for number, entry in json.loads(text).items()
        }
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BagError(
            f'expected {{"1": {{"colour": "red", "shape": "cube"}}, ...}} on {OBJECTS_TOPIC} of '
            f"{bag.path}, got {text[:200]!r}"
        ) from error


def _label_image(bag: Bag, image: Any) -> Labels:
    height, width, step = image.height, image.width, image.step
    data = np.asarray(image.data, np.uint8)
    encoding = image.encoding
    if encoding != "mono8" or step < width or data.size < height * step:
        raise BagError(
            f"expected mono8 images on {LABELS_TOPIC} of {bag.path}, got {encoding} "
            f"{width}x{height}, step {step}, {data.size} bytes"
        )
    return data[: height * step].reshape(height, step)[:, :width].copy()
