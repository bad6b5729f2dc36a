"""The contact sheet of a source: its best, worst and random frames, with what was found in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.pictures.contact_sheet import Tile, contact_sheet
from sam3_ros.core.pictures.overlay import draw_overlay
from sam3_ros.core.visible_text import visible
from sam3_ros.label.answers import LabelledFrame
from sam3_ros.label.chunk import FramePlace, LabelSource, SourceKind
from sam3_ros.label.outputs.answered_frames import SegmentsOfFrames
from sam3_ros.label.outputs.label_topics import camera_names
from sam3_ros.label.outputs.review.summary import SHOWN, Placed
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.opening import open_reader
from sam3_ros.label.reading.reader import SourceReader

Pixels = npt.NDArray[np.uint8]
# Captions of overlays can still be read at this width.
_TILE_WIDTH = 400
_JPEG_QUALITY = 85
_PAPER = 235


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A frame as it is shown."""

    picture: Pixels
    #: Why there is no picture; empty if there is one.
    failure: str = ""


def write_sheet(
    path: Path,
    source: LabelSource,
    shown: Mapping[str, tuple[Placed, ...]],
    label_values: Mapping[str, int],
    reading: ReadSettings,
) -> str:
    """Write a JPEG with a row for each kind; return why pictures are missing in it, or nothing.

    label_values: by prompt id, for the colours. Raises OSError.
    """
    wanted = dict.fromkeys(placed for each in shown.values() for placed in each)
    drawn = _drawn(source, list(wanted), label_values, reading)
    cameras = camera_names(sorted({placed.topic for placed in wanted}))
    tiles: list[Tile] = []
    for kind, each in shown.items():
        tiles += [
            Tile(drawn[placed].picture, _caption(kind, placed, cameras[placed.topic]))
            for placed in each
        ]
        tiles += [Tile(_blank(drawn))] * (SHOWN - len(each))
    sheet = contact_sheet(tiles, SHOWN, _TILE_WIDTH)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), options)
    path.write_bytes(encoded.tobytes())  # OpenCV would not tell that the disk is full
    return next((each.failure for each in drawn.values() if each.failure), "")


def _caption(kind: str, placed: Placed, camera: str) -> str:
    found = f"{placed.lowest:.2f}" if placed.shows_something else "nothing"
    if placed.frame.file:
        return f"{kind}: {found}, {visible(placed.frame.file)}"
    seconds, nanoseconds = divmod(placed.frame.stamp_ns, 1_000_000_000)
    return f"{kind}: {found}, {camera}, {seconds}.{nanoseconds // 1_000_000:03d} s"


def _drawn(
    source: LabelSource,
    wanted: list[Placed],
    label_values: Mapping[str, int],
    reading: ReadSettings,
) -> dict[Placed, _Drawn]:
    drawn = {}
    try:
        with closing(open_reader(source, reading)) as reader:
            for placed, rgb in _read(reader, source.kind, wanted):
                drawn[placed] = _with_overlay(placed.frame, rgb, label_values)
    except (Sam3RosError, OSError) as error:
        reason = " ".join(str(error).split())
        return {placed: _missing(placed.frame, reason) for placed in wanted}
    return drawn


def _read(
    reader: SourceReader, kind: SourceKind, wanted: list[Placed]
) -> Iterator[tuple[Placed, Pixels | None]]:
    """Yield what was read; a bag is asked for one image at a time, for its index leads to each."""
    in_order = sorted(wanted, key=lambda placed: (placed.topic, placed.frame.index))
    if kind is SourceKind.BAG:
        groups = [[placed] for placed in in_order]
    else:
        groups = [in_order] if in_order else []
    for group in groups:
        places = [_place(placed.frame) for placed in group]
        frames = reader.frames(group[0].topic, places)
        for placed, frame in zip(group, frames, strict=False):
            yield placed, frame.rgb


def _place(frame: LabelledFrame) -> FramePlace:
    return FramePlace(frame.index, frame.time_ns, frame.file, frame.rank)


def _with_overlay(
    frame: LabelledFrame, rgb: Pixels | None, label_values: Mapping[str, int]
) -> _Drawn:
    if rgb is None or rgb.shape[:2] != tuple(frame.size):
        return _missing(frame, "an image is no longer what it was when it was labelled")
    segments = SegmentsOfFrames().segments(frame)
    return _Drawn(_small(draw_overlay(rgb, segments, label_values)))


def _missing(frame: LabelledFrame, reason: str) -> _Drawn:
    return _Drawn(_small(np.full((*frame.size, 3), _PAPER, np.uint8)), reason)


def _small(picture: Pixels) -> Pixels:
    """Shrink a picture that is far larger than its tile: all of a sheet are kept at a time."""
    height, width = picture.shape[:2]
    if width <= 2 * _TILE_WIDTH:
        return picture
    size = (2 * _TILE_WIDTH, max(1, round(height * 2 * _TILE_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _blank(drawn: Mapping[Placed, _Drawn]) -> Pixels:
    """Return white paper in the place of a frame that there is not."""
    height, width = next(iter(drawn.values())).picture.shape[:2]
    return np.full((height, width, 3), 255, np.uint8)
