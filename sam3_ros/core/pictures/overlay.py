"""Segments drawn onto their image, for people to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.captions import Caption, draw_captions
from sam3_ros.core.pictures.palette import (
    BLACK,
    Colour,
    Pattern,
    pattern_of,
    prompt_colour,
    readable_on,
    shaded,
    track_colour,
)
from sam3_ros.core.pictures.placement import Area
from sam3_ros.core.segmenter.pixels import require_rgb
from sam3_ros.core.segmenter.segments import Segment, TrackState

Pixels = npt.NDArray[np.uint8]

# What an outline may be off.
_STRAIGHTENED_PX = 0.75
# Of the dashes around what is not seen, in widths of their line.
_DASH, _GAP = 5, 4
# What captions call a track's state; those that are seen need no word.
_UNSEEN = {TrackState.OCCLUDED: "hidden", TrackState.LOST: "lost", TrackState.ENDED: "ended"}


@dataclass(frozen=True)
class Strokes:
    """Widths in px, by the image's shorter side: what can be seen on a screen that shows it all."""

    #: The coloured line around a mask, and the dark one below it, which shows on both sides.
    outline: int
    below: int
    #: The lines of a box.
    box: int
    #: The height of the captions' font.
    font: int

    @classmethod
    def of(cls, size: ImageSize | tuple[int, int]) -> Strokes:
        """Return those for an image of this size."""
        side = min(size)
        outline = max(1, round(side / 300))
        return cls(
            outline=outline,
            below=outline + max(1, round(side / 360)),
            box=max(1, round(side / 700)),
            font=max(9, round(4 + side / 54)),
        )


@dataclass(frozen=True, eq=False)
class _Look:
    """A segment and how it is drawn."""

    segment: Segment
    #: Inside the image.
    box: Area
    colour: Colour
    #: Of what is written on that colour.
    ink: Colour
    fill: Colour
    pattern: Pattern

    @property
    def caption(self) -> Caption:
        segment, track = self.segment, self.segment.track
        words = (segment.label, segment.score, self.box, self.colour, self.ink)
        if track is None:
            return Caption(*words)
        unsure = "?" if track.state is TrackState.TENTATIVE else ""
        state = _UNSEEN.get(track.state, "") if segment.bounds is None else ""
        unseen = f"{state} {track.frames_unseen}" if state else ""
        return Caption(*words, track=f"#{track.id}{unsure}", unseen=unseen)


def draw_overlay(
    image_rgb: Pixels,
    segments: Sequence[Segment],
    values: Mapping[str, int] | None = None,
    opacity: float = 0.3,
) -> Pixels:
    """Return a copy of the image with masks tinted and outlined, boxes and captions.

    Both are uint8 [H, W, 3] in RGB. values: prompt id to label value, which decides on a prompt's
    colour and pattern; without them prompts count as they come. A prompt's objects share its
    colour and are filled with three shades of it, in turns from left to right. A tracked object has
    the colour and pattern of its track's id instead; where it is not seen, dashes show its last
    place, unless it is lost. Raises ImageError for another kind of image, and ValueError for an
    opacity outside 0..1.
    """
    canvas: Pixels = require_rgb(image_rgb).copy()
    _draw(canvas, segments, values, opacity, lambda colour: colour)
    return canvas


def draw_overlay_bgr(
    image_rgb: Pixels,
    segments: Sequence[Segment],
    values: Mapping[str, int] | None = None,
    opacity: float = 0.3,
) -> Pixels:
    """Return the picture of draw_overlay in BGR order, without a second pass over its pixels."""
    canvas = np.asarray(cv2.cvtColor(require_rgb(image_rgb), cv2.COLOR_RGB2BGR), np.uint8)
    _draw(canvas, segments, values, opacity, _reversed)
    return canvas


def _draw(
    canvas: Pixels,
    segments: Sequence[Segment],
    values: Mapping[str, int] | None,
    opacity: float,
    in_order: Callable[[Colour], Colour],
) -> None:
    """Draw onto the canvas. in_order: gives an RGB colour in the canvas's order."""
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be in 0..1, got {opacity}")
    strokes = Strokes.of(ImageSize(*canvas.shape[:2]))
    looks = _looks(segments, values or {}, ImageSize(*canvas.shape[:2]), in_order)
    # As in the label image, the best shows where several overlap: it is drawn last.
    from_worst = sorted(looks, key=lambda look: look.segment.score)
    for look in from_worst:
        _tint(canvas, look, opacity, strokes)
    for look in from_worst:
        if _is_hidden(look.segment):
            _draw_dashes(canvas, look, strokes)
        elif not _is_gone(look.segment):
            _draw_outline(canvas, look, strokes)
            _draw_box(canvas, look, strokes)
    draw_captions(canvas, [look.caption for look in looks], strokes.font)


def _is_hidden(segment: Segment) -> bool:
    track = segment.track
    return segment.bounds is None and track is not None and track.state is TrackState.OCCLUDED


def _is_gone(segment: Segment) -> bool:
    """Return whether a tracked object is no longer where it was seen last."""
    return segment.bounds is None and segment.track is not None and not _is_hidden(segment)


def _looks(
    segments: Sequence[Segment],
    values: Mapping[str, int],
    size: ImageSize,
    in_order: Callable[[Colour], Colour],
) -> list[_Look]:
    seen = dict(values)
    for segment in segments:
        seen.setdefault(segment.prompt_id, len(seen) + 1)
    places: defaultdict[str, int] = defaultdict(int)
    looks = []
    for segment in sorted(segments, key=lambda each: each.box.x_min + each.box.x_max):
        if segment.track is None:
            value = seen[segment.prompt_id]
            colour = prompt_colour(value)
            fill = shaded(colour, places[segment.prompt_id])
            places[segment.prompt_id] += 1
        else:  # without shades, since these would change with its place
            value = segment.track.id
            colour = fill = track_colour(value)
        box = _inside(segment, size)
        colour, ink, fill = map(in_order, (colour, readable_on(colour), fill))
        looks.append(_Look(segment, box, colour, ink, fill, pattern_of(value)))
    return looks


def _inside(segment: Segment, size: ImageSize) -> Area:
    """Return the part of the box that lies in the image; at least a pixel at its edge."""
    box, (height, width) = segment.box, size
    left, right = (round(min(max(x, 0), width)) for x in (box.x_min, box.x_max))
    top, bottom = (round(min(max(y, 0), height)) for y in (box.y_min, box.y_max))
    left, top = min(left, width - 1), min(top, height - 1)
    return Area(left, top, max(right, left + 1), max(bottom, top + 1))


def _tint(canvas: Pixels, look: _Look, opacity: float, strokes: Strokes) -> None:
    segment = look.segment
    if segment.bounds is None:
        return
    part = canvas[segment.window]
    inside = np.ascontiguousarray(segment.mask[segment.window]).view(np.uint8)
    if look.pattern is not Pattern.PLAIN:
        inside = inside & _pattern(look.pattern, inside.shape, max(2, strokes.font // 3))
    tint = np.full_like(part, look.fill)
    mixed = cv2.addWeighted(part, 1 - opacity, tint, opacity, 0)
    cv2.copyTo(mixed, inside, part)


def _pattern(pattern: Pattern, shape: tuple[int, int], width: int) -> Pixels:
    """Return uint8 [H, W], 1 where the pattern is filled."""
    rows, columns = (np.arange(length) for length in shape)
    if pattern is Pattern.STRIPES:
        filled = (rows[:, None] + columns) % (2 * width) < width
    else:
        filled = (rows[:, None] // width + columns // width) % 2 == 0
    return filled.astype(np.uint8)


def _draw_outline(canvas: Pixels, look: _Look, strokes: Strokes) -> None:
    segment = look.segment
    if segment.bounds is None:
        return
    offset = int(segment.bounds.x_min), int(segment.bounds.y_min)
    inside = np.ascontiguousarray(segment.mask[segment.window]).view(np.uint8)
    lines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=offset)
    # Without the steps from pixel to pixel there is a third of the points to draw.
    lines = [cv2.approxPolyDP(line, _STRAIGHTENED_PX, closed=True) for line in lines]
    # Dark on each side of it, the line shows on anything, its own colour too.
    for width, colour in ((strokes.below, BLACK), (strokes.outline, look.colour)):
        cv2.drawContours(canvas, lines, -1, colour, width, cv2.LINE_AA)


def _draw_box(canvas: Pixels, look: _Look, strokes: Strokes) -> None:
    box = look.box
    # OpenCV's corners are pixels, ours are edges between them.
    corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
    cv2.rectangle(canvas, *corners, look.colour, strokes.box)


def _draw_dashes(canvas: Pixels, look: _Look, strokes: Strokes) -> None:
    box, width = look.box, strokes.outline
    dash, step = _DASH * width, (_DASH + _GAP) * width
    right, bottom = box.right - 1, box.bottom - 1
    lines = []
    for left in range(box.left, box.right, step):
        end = min(left + dash, right)
        lines += [[(left, top), (end, top)] for top in (box.top, bottom)]
    for top in range(box.top, box.bottom, step):
        end = min(top + dash, bottom)
        lines += [[(left, top), (left, end)] for left in (box.left, right)]
    ends = list(np.array(lines, np.int32))
    for thickness, colour in ((strokes.below, BLACK), (width, look.colour)):
        cv2.polylines(canvas, ends, False, colour, thickness, cv2.LINE_AA)


def _reversed(colour: Colour) -> Colour:
    first, second, third = colour
    return third, second, first
