"""How a session tracks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral, Real

MOST_MEMORIES = 6


@dataclass(frozen=True)
class TrackingSettings:
    """What a session is told when it is made, and may be told anew between two images.

    "Frames" are images that the session answered. An overlap is the IoU of two masks. Raises
    ValueError for a value out of its range. The thresholds of detections are those of SAM 3's video
    model (facebookresearch/sam3, model/sam3_video_base.py).
    """

    #: Past frames whose masks an object's memory keeps, 1 to 6; of no use to a bundle without one.
    memory_frames: int = MOST_MEMORIES
    #: A text is looked for in every so many frames; between them its objects are only followed.
    redetect_every: int = 5
    #: Objects of all prompts together.
    max_objects: int = 64
    #: The estimate of the mask's IoU below which an object is not seen, by prompting again.
    least_score: float = 0.5
    #: A detection of this score starts an object ...
    start_score: float = 0.7
    #: ... if it overlaps none of its prompt by this.
    start_overlap: float = 0.1
    #: A detection is of the object that it overlaps by this.
    match_overlap: float = 0.5
    #: After so many frames a detection of `renew_score` that overlaps its object by `renew_overlap`
    #: is taken for the object's new outline.
    renew_every: int = 16
    renew_score: float = 0.8
    renew_overlap: float = 0.8
    #: So many detections in a row without it end an object that is not confirmed; so many in a row
    #: that two objects of a prompt share end one of the two.
    patience: int = 2
    #: An object that was not seen for more frames is lost ...
    occluded_frames: int = 30
    #: ... and for more than so many it ends.
    lost_frames: int = 300
    #: So long after it was seen last, a detection that is near and alike is the same object.
    find_within: int = 30
    #: What comes to the place of another object is not believed, where the bundle says from which
    #: overlap on. Without it no object has a say in another's answer.
    keep_apart: bool = True

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.type == "int" and not isinstance(value, Integral):
                raise ValueError(
                    f"{each.name} of the tracking must be a whole number, got {value!r}"
                )
            if each.type == "bool" and not isinstance(value, bool):
                raise ValueError(f"{each.name} of the tracking must be a bool, got {value!r}")
        _require("memory_frames", self.memory_frames, 1, MOST_MEMORIES)
        counts = ("redetect_every", "max_objects", "renew_every", "patience", "lost_frames")
        for name in counts:
            _require(name, getattr(self, name), 1, None)
        for name in ("occluded_frames", "find_within"):
            _require(name, getattr(self, name), 0, None)
        for each in fields(self):
            if each.type == "float":
                _require(each.name, getattr(self, each.name), 0, 1)


def _require(name: str, value: float, least: float, most: float | None) -> None:
    if not isinstance(value, Real) or not (least <= value and (most is None or value <= most)):
        wanted = f"at least {least:g}" if most is None else f"{least:g} to {most:g}"
        raise ValueError(f"{name} of the tracking must be {wanted}, got {value!r}")
