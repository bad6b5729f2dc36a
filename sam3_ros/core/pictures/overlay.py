"""Segments drawn onto their image, for people to look at."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.pixels import require_rgb
from sam3_ros.core.segmenter.segments import Segment

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE: Colour = (255, 255, 255)
LONGEST_CAPTION = 40


def draw_overlay(image_rgb: Pixels, segments: Sequence[Segment], opacity: float = 0.45) -> Pixels:
    """Return a copy of the image with masks tinted and outlined, boxes and captions.

    Both are uint8 [H, W, 3] in RGB. A label has the same colour in every picture. Raises ImageError
    for another kind of image, and ValueError for an opacity outside 0..1.
    """
    canvas: Pixels = require_rgb(image_rgb).copy()
    _draw(canvas, segments, opacity, label_colour)
    return canvas


def draw_overlay_bgr(
    image_rgb: Pixels, segments: Sequence[Segment], opacity: float = 0.45
) -> Pixels:
    """Return the picture of draw_overlay in BGR order, without a second pass over its pixels."""
    canvas = np.asarray(cv2.cvtColor(require_rgb(image_rgb), cv2.COLOR_RGB2BGR), np.uint8)
    _draw(canvas, segments, opacity, lambda label: _reversed(label_colour(label)))
    return canvas


def _draw(
    canvas: Pixels,
    segments: Sequence[Segment],
    opacity: float,
    colour_of: Callable[[str], Colour],
) -> None:
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be in 0..1, got {opacity}")
    for segment in segments:
        _draw_mask(canvas, segment, colour_of(segment.label), opacity)
    scale = max(0.4, min(canvas.shape[:2]) / 1000)
    for segment in segments:
        _draw_box(canvas, segment.box, colour_of(segment.label))
    for segment in segments:
        _draw_caption(canvas, segment, scale, _darker(colour_of(segment.label)))


def label_colour(label: str) -> Colour:
    """Return a vivid RGB colour that depends on nothing but the label."""
    spread = zlib.crc32(label.encode()) / 2**32
    bright = 0.8 + 0.2 * (zlib.crc32(label[::-1].encode()) % 2)
    red, green, blue = colorsys.hsv_to_rgb(spread, 0.85, bright)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_mask(canvas: Pixels, segment: Segment, colour: Colour, opacity: float) -> None:
    if segment.bounds is None:
        return
    x, y = int(segment.bounds.x_min), int(segment.bounds.y_min)
    part = segment.window
    inside = np.ascontiguousarray(segment.mask[part]).view(np.uint8)
    tint = np.full_like(canvas[part], colour)
    mixed = cv2.addWeighted(canvas[part], 1 - opacity, tint, opacity, 0)
    cv2.copyTo(mixed, inside, canvas[part])
    outline, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    # A white rim keeps a red outline visible on a red object.
    cv2.drawContours(canvas, outline, -1, WHITE, 3, cv2.LINE_AA)
    cv2.drawContours(canvas, outline, -1, colour, 1, cv2.LINE_AA)


def _draw_box(canvas: Pixels, box: Box, colour: Colour) -> None:
    height, width = canvas.shape[:2]
    # OpenCV's corners are pixels, ours are edges between them; distant ones overflow its integers.
    x_min, y_min = max(round(box.x_min), -2), max(round(box.y_min), -2)
    x_max, y_max = min(round(box.x_max) - 1, width + 1), min(round(box.y_max) - 1, height + 1)
    cv2.rectangle(canvas, (x_min, y_min), (x_max, y_max), colour, 1)


def _draw_caption(canvas: Pixels, segment: Segment, scale: float, behind: Colour) -> None:
    text = _caption(segment)
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, 1)
    left = int(np.clip(segment.box.x_min, 0, max(canvas.shape[1] - width - 2, 0)))
    bottom = int(np.clip(segment.box.y_min, height + baseline, canvas.shape[0]))
    corner = (left + width + 2, bottom - height - baseline)
    cv2.rectangle(canvas, (left, bottom), corner, behind, cv2.FILLED)
    place = (left + 1, bottom - baseline + 1)
    cv2.putText(canvas, text, place, FONT, scale, WHITE, 1, cv2.LINE_AA)


def _caption(segment: Segment) -> str:
    label = segment.label
    if len(label) > LONGEST_CAPTION:
        label = label[: LONGEST_CAPTION - 3] + "..."
    # OpenCV's font has ASCII only.
    return f"{label.encode('ascii', 'replace').decode()} {segment.score:.2f}"


def _darker(colour: Colour) -> Colour:
    red, green, blue = (level * 6 // 10 for level in colour)
    return red, green, blue


def _reversed(colour: Colour) -> Colour:
    first, second, third = colour
    return third, second, first
