"""A replay's overlays for people: a video, and a contact sheet of some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.pixels import require_rgb

Pixels = npt.NDArray[np.uint8]
CAPTION_HEIGHT, MARGIN = 24, 6
PAPER, INK = (255, 255, 255), (20, 20, 20)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
# Longer gaps are shortened: they are pauses of the camera, not dropped frames.
_LONGEST_GAP_SECONDS = 2.0
SHEET_TILES, SHEET_COLUMNS = 12, 3


@dataclass(frozen=True, eq=False)
class Tile:
    """A captioned picture of a contact sheet."""

    #: uint8 [H, W, 3] RGB.
    image: Pixels
    #: One line, cut off at the tile's edge.
    caption: str = ""


def contact_sheet(tiles: Sequence[Tile], columns: int = 3, tile_width: int = 320) -> Pixels:
    """Return a sheet, uint8 [H, W, 3] RGB: tiles in reading order, of one width, captions below.

    Raises ValueError without a tile or for sizes below 1, ImageError for a tile that is not RGB.
    """
    if not tiles or columns < 1 or tile_width < 1:
        raise ValueError(
            "a contact sheet needs a tile, a column and a width of 1 or more, got "
            f"{len(tiles)} tiles, {columns} columns, width {tile_width}"
        )
    columns = min(columns, len(tiles))
    cells = [_cell(tile, tile_width) for tile in tiles]
    height = max(cell.shape[0] for cell in cells)
    rows = -(-len(cells) // columns)
    sheet: Pixels = np.full(
        (rows * (height + MARGIN) + MARGIN, columns * (tile_width + MARGIN) + MARGIN, 3),
        PAPER,
        np.uint8,
    )
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        top, left = MARGIN + row * (height + MARGIN), MARGIN + column * (tile_width + MARGIN)
        sheet[top : top + cell.shape[0], left : left + tile_width] = cell
    return sheet


def _cell(tile: Tile, width: int) -> Pixels:
    image = require_rgb(tile.image)
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    cell: Pixels = np.full((height + CAPTION_HEIGHT, width, 3), PAPER, np.uint8)
    cell[:height] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    baseline = (4, height + CAPTION_HEIGHT - 8)
    cv2.putText(cell, tile.caption, baseline, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
    return cell


class VideoError(Sam3RosError):
    """A video that cannot be written."""


class OverlayVideo:
    """A video: MPEG-4 in .mp4 or, where OpenCV cannot encode that, motion JPEG in .avi.

    It plays at the camera's pace: a frame without an overlay shows the previous one.
    """

    def __init__(self, path_without_suffix: Path, frames_per_second: float) -> None:
        self._stem = path_without_suffix
        self._rate = frames_per_second
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._begin = 0.0
        self._last: Pixels | None = None  # not written yet
        self._last_at = 0.0
        self.path: Path | None = None

    def add(self, overlay_bgr: Pixels, at: float) -> None:
        """Add a frame, uint8 [H, W, 3] BGR, that is shown from a time on, s.

        It replaces a frame of the same time; a frame of an earlier time than the last is left
        out. Raises VideoError.
        """
        if self._last is None:
            self._open(overlay_bgr)
            self._begin = at
        elif overlay_bgr.shape != self._last.shape:
            raise VideoError(
                f"expected overlays of one size, got {overlay_bgr.shape} after {self._last.shape}"
            )
        elif at < self._last_at:
            return
        elif at > self._last_at:
            self._write_until(at)
        self._last, self._last_at = overlay_bgr, at

    def close(self) -> Path | None:
        """Finish the file and return its path; None if there was no frame."""
        if self._writer is not None and self._last is not None:
            self._writer.write(self._last)
            self._writer.release()
            self._writer = None
        return self.path

    def _open(self, first: Pixels) -> None:
        height, width = first.shape[:2]
        for suffix, code in ((".mp4", "mp4v"), (".avi", "MJPG")):
            path = self._stem.with_suffix(suffix)
            four = cv2.VideoWriter.fourcc(*code)
            writer = cv2.VideoWriter(str(path), four, self._rate, (width, height))
            if writer.isOpened():
                self._writer, self.path = writer, path
                return
        raise VideoError(
            f"OpenCV can write neither MPEG-4 nor motion JPEG to {self._stem.parent}: "
            "check that the folder can be written to, and install opencv-python-headless"
        )

    def _write_until(self, at: float) -> None:
        """Write the last frame as often as it is shown until a time, s; at least once."""
        assert self._writer is not None and self._last is not None
        due = round((at - self._begin) * self._rate) - self._written
        longest = round(_LONGEST_GAP_SECONDS * self._rate) + 1
        if due > longest:
            self._begin += (due - longest) / self._rate
        times = max(1, min(due, longest))
        for _ in range(times):
            self._writer.write(self._last)
        self._written += times


class OverlayAlbum:
    """The files overlay.mp4 (or .avi) and contact_sheet.png.

    For a camera with a name: overlay_front.mp4 and contact_sheet_front.png.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        frames_per_second: float,
        caption: Callable[[float], str],
        camera: str = "",
    ) -> None:
        """Make the folder if need be.

        seconds: length of the replay. caption: gives the caption for a time of the replay, s.
        """
        folder.mkdir(parents=True, exist_ok=True)
        of_camera = f"_{camera}" if camera else ""
        self._sheet = folder / f"contact_sheet{of_camera}.png"
        self._video = OverlayVideo(folder / f"overlay{of_camera}", frames_per_second)
        self._caption = caption
        self._tiles: list[Tile] = []
        # A tile from the middle of each of SHEET_TILES equal parts.
        self._tile_seconds = max(seconds, 1e-3) / SHEET_TILES
        self._next_tile = 0.5 * self._tile_seconds
        self._last_tile = -1.0

    def add(self, overlay: Image, at: float) -> None:
        """Add an overlay, bgr8, of the image at a time of the replay, s.

        Raises ValueError for another encoding, VideoError.
        """
        if overlay.encoding != "bgr8":
            raise ValueError(f"expected an overlay in bgr8, got {overlay.encoding!r}")
        rows = np.frombuffer(overlay.data, np.uint8).reshape(overlay.height, overlay.step)
        pixels = rows[:, : overlay.width * 3].reshape(overlay.height, overlay.width, 3)
        self._video.add(pixels, at)
        if at == self._last_tile:  # answered again, for a click
            self._tiles[-1] = self._tile(pixels, at)
        elif at >= self._next_tile:
            self._tiles.append(self._tile(pixels, at))
            self._last_tile = at
            while self._next_tile <= at:
                self._next_tile += self._tile_seconds

    def _tile(self, pixels: npt.NDArray[np.uint8], at: float) -> Tile:
        rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        return Tile(rgb, f"{at:.1f} s  {self._caption(at)}")

    def close(self) -> tuple[Path, ...]:
        """Finish the files and return those that were written."""
        video = self._video.close()
        written = [] if video is None else [video]
        if self._tiles:
            written.append(self._write_sheet())
        return tuple(written)

    def _write_sheet(self) -> Path:
        path = self._sheet
        sheet = cv2.cvtColor(contact_sheet(self._tiles, SHEET_COLUMNS), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(path), sheet):
            raise Sam3RosError(f"cannot write {path}")
        return path
