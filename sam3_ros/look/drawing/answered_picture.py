"""An answered picture as the files that a page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sam3_ros.core.pictures.label_image import PaintedSegments
from sam3_ros.core.pictures.overlay import draw_overlay_bgr
from sam3_ros.core.pictures.palette import prompt_colour, track_colour
from sam3_ros.core.pictures.segment_numbers import best_first, pixel_values
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.viewing import (
    EncodedImage,
    PictureLayer,
    PictureStamp,
    SeenSegment,
    View,
    ViewedPicture,
)

Pixels: TypeAlias = npt.NDArray[np.uint8]
NANOSECONDS = 1_000_000_000

# No screen of a viewer shows more; larger photos would take seconds on a slow line.
_LONGEST_PX = 1920
_JPEG_QUALITY = 85


@dataclass(eq=False)
class AnsweredPicture:
    """A picture with what it shows; each file of it is made once, when it is first wanted."""

    camera: str
    stamp_ns: int
    #: uint8 [H, W, 3], RGB.
    rgb: Pixels
    #: Best first; None where the model has not answered it.
    segments: Sequence[Segment] | None
    #: By prompt id, what decides on its colour.
    label_values: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        camera: str,
        stamp_ns: int,
        rgb: Pixels,
        found: Sequence[Segment] | None,
        label_values: Mapping[str, int],
    ) -> AnsweredPicture:
        ordered = None if found is None else best_first(found)
        return cls(camera, stamp_ns, rgb, ordered, label_values)

    @property
    def stamp(self) -> PictureStamp:
        return PictureStamp(*divmod(self.stamp_ns, NANOSECONDS))

    def viewed(self, view: View) -> ViewedPicture:
        """Return it as a view wants it."""
        height, width = self.rgb.shape[:2]
        return ViewedPicture(
            camera=self.camera,
            stamp=self.stamp,
            width=width,
            height=height,
            image=self.overlay if view.layer is PictureLayer.OVERLAY else self.masks,
            segments=self.seen,
            plain=self.plain if view.with_plain else None,
        )

    @cached_property
    def seen(self) -> tuple[SeenSegment, ...] | None:
        """The segments without their masks."""
        if self.segments is None:
            return None
        some_are_tracked = any(each.track is not None for each in self.segments)
        numbers = pixel_values(self.segments, some_are_tracked)
        return tuple(map(_seen, numbers, self.segments))

    @cached_property
    def overlay(self) -> EncodedImage:
        """JPEG; that of `plain` where there is nothing to draw."""
        if not self.segments:
            return self.plain
        return _jpeg(draw_overlay_bgr(self.rgb, self.segments, self.label_values))

    @cached_property
    def plain(self) -> EncodedImage:
        """JPEG."""
        return _jpeg(np.asarray(cv2.cvtColor(self.rgb, cv2.COLOR_RGB2BGR), np.uint8))

    @cached_property
    def masks(self) -> EncodedImage:
        """PNG of the colours of the masks, transparent where there is none."""
        segments = [each for each in self.segments or () if each.bounds is not None]
        colours = [self._colour(each) for each in segments]
        palette = list(dict.fromkeys(colours))  # of far fewer than 255 colours
        painted = PaintedSegments(segments, self.rgb.shape[:2])
        places = painted.instances([palette.index(colour) + 1 for colour in colours])
        picture = Image.fromarray(_shrunk(places.astype(np.uint8), cv2.INTER_NEAREST))
        picture.putpalette([0, 0, 0, *(level for colour in palette for level in colour)])
        stream = BytesIO()
        picture.save(stream, format="PNG", compress_level=1, transparency=0)
        return EncodedImage(stream.getvalue(), "image/png")

    def _colour(self, segment: Segment) -> tuple[int, int, int]:
        if segment.track is not None:
            return track_colour(segment.track.id)
        return prompt_colour(self.label_values[segment.prompt_id])


def _seen(number: int, segment: Segment) -> SeenSegment:
    track = segment.track
    return SeenSegment(
        id=number,
        prompt_id=segment.prompt_id,
        label=segment.label,
        score=min(max(segment.score, 0.0), 1.0),
        box=segment.box,
        track_id=None if track is None else track.id,
        state="" if track is None else str(track.state),
    )


def _jpeg(picture_bgr: Pixels) -> EncodedImage:
    shrunk = _shrunk(picture_bgr, cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", shrunk, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return EncodedImage(data.tobytes(), "image/jpeg")


def _shrunk(picture: npt.NDArray[np.uint8], interpolation: int) -> Pixels:
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= _LONGEST_PX:
        return picture
    share = _LONGEST_PX / longest
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)
