"""What is known of an object in space."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.segments import TrackStatus

Vector = npt.NDArray[np.float64]


class DepthRemark(str, Enum):
    """What a user of an object's place should know; the first three leave it without a place."""

    #: A followed object that is not seen in this picture: it has no mask.
    NOT_SEEN = "not seen"
    #: No pixel of the mask has a depth: glass, black or shining things, too near, too far.
    NO_DEPTH = "no depth"
    #: So few pixels have a depth that they could be flying pixels.
    FEW_PIXELS = "few pixels"
    #: Much of the mask has no depth.
    HOLES = "holes"
    #: The object reaches past the picture's border: the rest of it is not seen.
    CUT = "cut by the border"
    #: Much of what has a depth lies elsewhere than the object: background, or two things.
    SPREAD = "spread"
    #: The mask is so thin that its rim could not be left out.
    THIN = "thin"

    def __str__(self) -> str:
        return self.value


class BoxStance(str, Enum):
    """Along what a box stands."""

    #: The plane under the object, as the depth shows it: table, floor, shelf.
    PLANE = "plane"
    #: The direction that the caller gave.
    UP = "up"
    #: The object's own principal axes: no plane is seen.
    OWN_AXES = "own axes"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """A box around what is seen of an object."""

    #: float64 [3], metres, in the object's frame.
    centre: Vector
    #: float64 [3], metres: lengths along the box's own x, y and z. None is 0.
    size: Vector
    #: float64 [4], unit quaternion x, y, z, w: turns the box's axes into the frame's.
    quaternion: Vector
    #: What its z axis is.
    stance: BoxStance


@dataclass(frozen=True, eq=False, repr=False)
class SpatialObject:
    """One segment in space; one for every segment, in their order."""

    #: Place of its segment among those given, from 0.
    index: int
    prompt_id: str
    label: str
    #: The segment's.
    score: float
    #: None where it is not tracked.
    track: TrackStatus | None
    #: In which centre and box are: the camera's optical frame, unless transformed.
    frame: str
    #: float64 [3], metres: the box's; None where there is not enough depth.
    centre: Vector | None
    box: OrientedBox | None
    #: float64 [3, 3], m^2, of the centre; None where there is none.
    covariance: Vector | None
    #: Pixels of the mask, at the depth image's size.
    mask_pixels: int
    #: Pixels that centre and box were computed from.
    valid_pixels: int
    #: How far the object's depth reaches, m: from its 5th to its 95th percentile along z.
    spread: float
    #: 0 (no place) to 1.
    quality: float
    #: Gravest first; () where all is well.
    remarks: tuple[DepthRemark, ...]
    #: int32 [valid_pixels]: flat indices of these pixels into the depth image.
    pixels: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    #: float64 [3], m/s, in the frame; None unless smoothed over several images.
    velocity: Vector | None = None

    @property
    def reason(self) -> str:
        """The remarks in words, "" for none."""
        return ", ".join(remark.value for remark in self.remarks)
