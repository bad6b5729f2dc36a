"""A replay's overlays for people: a video, and a contact sheet of what was asked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from sam3_ros.core.image_file import write_png
from sam3_ros.core.pictures.contact_sheet import Tile, contact_sheet
from sam3_ros.replay.report.video import VIDEO_SUFFIXES, OverlayVideo

Pixels = npt.NDArray[np.uint8]
_TILES, _COLUMNS = 6, 2
# Captions of overlays can still be read at this width.
_TILE_WIDTH = 480
# The replay's parts in which what is asked is looked up.
_PARTS = 400


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
