"""What a replay leaves to look at: a video of the overlays, and a sheet of some of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.replay.report.contact_sheet import Tile, contact_sheet
from sam3_ros.replay.report.video import OverlayVideo

SHEET_TILES, SHEET_COLUMNS = 12, 3


class OverlayAlbum:
    """Files overlay.mp4 (or .avi) and contact_sheet.png in a folder that is made if need be.

    Of a camera with a name: overlay_front.mp4 and contact_sheet_front.png.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        frames_per_second: float,
        caption: Callable[[float], str],
        camera: str = "",
    ) -> None:
        """seconds: of the whole replay. caption: of a picture, by its time."""
        folder.mkdir(parents=True, exist_ok=True)
        of_camera = f"_{camera}" if camera else ""
        self._sheet = folder / f"contact_sheet{of_camera}.png"
        self._video = OverlayVideo(folder / f"overlay{of_camera}", frames_per_second)
        self._caption = caption
        self._tiles: list[Tile] = []
        # In the middle of each part, so that neither the first nor the last moment is all there is.
        self._tile_seconds = max(seconds, 1e-3) / SHEET_TILES
        self._next_tile = 0.5 * self._tile_seconds
        self._last_tile = -1.0

    def add(self, overlay: Image, at: float) -> None:
        """An overlay, bgr8, of the image at a time of the replay, s."""
        if overlay.encoding != "bgr8":
            raise ValueError(f"expected an overlay in bgr8, got {overlay.encoding!r}")
        rows = np.frombuffer(overlay.data, np.uint8).reshape(overlay.height, overlay.step)
        pixels = rows[:, : overlay.width * 3].reshape(overlay.height, overlay.width, 3)
        self._video.add(pixels, at)
        if at == self._last_tile:  # again, with a click
            self._tiles[-1] = self._tile(pixels, at)
        elif at >= self._next_tile:
            self._tiles.append(self._tile(pixels, at))
            self._last_tile = at
            while self._next_tile <= at:
                self._next_tile += self._tile_seconds

    def _tile(self, pixels: npt.NDArray[np.uint8], at: float) -> Tile:
        rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        return Tile(rgb, f"{at:.1f} s  {self._caption(at)}")

    def close(self) -> tuple[Path, ...]:
        """Finish the files; those that were written."""
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
