"""A replay's overlays for people: a video, and a contact sheet of what was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from sam3_ros.core.image_file import write_png
from sam3_ros.core.pictures.lettering import lettered
from sam3_ros.core.segmenter.pixels import require_rgb
from sam3_ros.replay.report.video import VIDEO_SUFFIXES, OverlayVideo

Pixels = npt.NDArray[np.uint8]
CAPTION_SIZE, CAPTION_HEIGHT, MARGIN = 15, 28, 6
PAPER = (255, 255, 255)
_TILES, _COLUMNS = 6, 2
# Captions of overlays can still be read at this width.
_TILE_WIDTH = 480
# The replay's parts in which what is asked is looked up.
_PARTS = 400


@dataclass(frozen=True, eq=False)
class Tile:
    """A captioned picture of a contact sheet."""

    #: uint8 [H, W, 3] RGB.
    image: Pixels
    #: One line; what is too wide for the tile is cut.
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
    ink = lettered(tile.caption, CAPTION_SIZE, width - 2 * MARGIN)[:CAPTION_HEIGHT]
    top = height + (CAPTION_HEIGHT - ink.shape[0]) // 2
    line = cell[top : top + ink.shape[0], MARGIN : MARGIN + ink.shape[1]]
    line[:] = np.minimum(line, 255 - ink[:, :, None])
    return cell


def album_files(camera: str = "") -> tuple[str, ...]:
    """Return the names of all files that an album may write; of the videos it writes one."""
    of_camera = f"_{camera}" if camera else ""
    videos = [f"overlay{of_camera}{suffix}" for suffix in VIDEO_SUFFIXES]
    return (f"contact_sheet{of_camera}.png", *videos)


class OverlayAlbum:
    """The files overlay.mp4 (see OverlayVideo for others) and contact_sheet.png.

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
        sheet, video = album_files(camera)[:2]
        self._sheet = folder / sheet
        self._video = OverlayVideo((folder / video).with_suffix(""), frames_per_second)
        self._caption = caption
        self._tiles: list[Tile] = []
        self._moments = sheet_moments(max(seconds, 1e-3), caption)
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
        elif self._moments and at >= self._moments[0]:
            self._tiles.append(self._tile(pixels, at))
            self._last_tile = at
            self._moments = [moment for moment in self._moments if moment > at]

    def _tile(self, pixels: npt.NDArray[np.uint8], at: float) -> Tile:
        rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        return Tile(rgb, f"{at:.1f} s: {self._caption(at)}")

    def close(self) -> tuple[Path, ...]:
        """Finish the files and return those that were written."""
        video = self._video.close()
        written = [] if video is None else [video]
        if self._tiles:
            written.append(self._write_sheet())
        return tuple(written)

    def discard(self) -> None:
        """Remove what is not finished, as of a replay that has failed."""
        self._video.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of the files."""
        return (f"{self._video.path}: {self._video.remark}",) if self._video.remark else ()

    def _write_sheet(self) -> Path:
        path = self._sheet
        width = max(240, min(self._tiles[0].image.shape[1], _TILE_WIDTH))
        write_png(path, contact_sheet(self._tiles, _COLUMNS, width))
        return path


def sheet_moments(seconds: float, caption: Callable[[float], str]) -> list[float]:
    """Return the times, s, of the six pictures of a contact sheet, in order.

    Those captions that hold longest have a moment each, in the middle of that time. Where there are
    fewer than six, the longest times have several moments, evenly spread.
    """
    times = [(part + 0.5) * seconds / _PARTS for part in range(_PARTS)]
    longest: dict[str, list[float]] = {}
    for asked, together in groupby(times, caption):
        held = list(together)
        if len(held) > len(longest.get(asked, ())):
            longest[asked] = held
    spans = sorted(longest.values(), key=len, reverse=True)[:_TILES]
    shares = [1] * len(spans)
    while sum(shares) < _TILES:
        widest = max(range(len(spans)), key=lambda number: len(spans[number]) / shares[number])
        shares[widest] += 1
    return sorted(
        span[0] + (span[-1] - span[0]) * (number + 0.5) / share
        for span, share in zip(spans, shares, strict=True)
        for number in range(share)
    )
