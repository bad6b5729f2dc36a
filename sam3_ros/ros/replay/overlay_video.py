"""Overlays to a video file as they come."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import Sam3RosError

Pixels = npt.NDArray[np.uint8]
# Longer holes are cut short: they are pauses of the camera, not frames that were dropped.
_LONGEST_HOLE_SECONDS = 2.0


class VideoError(Sam3RosError):
    """No video can be written here."""


class OverlayVideo:
    """MPEG-4 in .mp4 or, where OpenCV has no encoder for that, motion JPEG in .avi.

    Plays at the camera's pace: a frame without an overlay shows the one before.
    """

    def __init__(self, path_without_suffix: Path, frames_per_second: float) -> None:
        self._stem = path_without_suffix
        self._rate = frames_per_second
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._begin: float | None = None
        self._last: Pixels | None = None
        self.path: Path | None = None

    def add(self, overlay_bgr: Pixels, at: float) -> None:
        """A frame, uint8 [H, W, 3] BGR, shown from a time on, s. Raises VideoError."""
        if self._writer is None or self._last is None or self._begin is None:
            self._open(overlay_bgr)
            self._begin = at
        elif overlay_bgr.shape != self._last.shape:
            raise VideoError(
                f"expected overlays of one size, got {overlay_bgr.shape} after {self._last.shape}"
            )
        else:
            self._fill_until(at)
        self._write(overlay_bgr)

    def close(self) -> Path | None:
        """Finish the file; its path, None if there was no frame."""
        if self._writer is not None:
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

    def _fill_until(self, at: float) -> None:
        assert self._begin is not None and self._last is not None
        hole = round((at - self._begin) * self._rate) - self._written
        longest = round(_LONGEST_HOLE_SECONDS * self._rate)
        if hole > longest:
            self._begin += (hole - longest) / self._rate
        for _ in range(min(hole, longest)):
            self._write(self._last)

    def _write(self, frame: Pixels) -> None:
        assert self._writer is not None
        self._writer.write(frame)
        self._written += 1
        self._last = frame
