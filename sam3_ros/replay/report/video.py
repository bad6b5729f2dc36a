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
        self._begin = 0.0
        self._last: Pixels | None = None  # not written yet
        self._last_at = 0.0
        self.path: Path | None = None

    def add(self, overlay_bgr: Pixels, at: float) -> None:
        """A frame, uint8 [H, W, 3] BGR, shown from a time on, s; another of that time replaces it.

        One of an earlier time is left out. Raises VideoError.
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
        """Finish the file; its path, None if there was no frame."""
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
        """The last frame, as often as it is shown until a time, s; once at least."""
        assert self._writer is not None and self._last is not None
        due = round((at - self._begin) * self._rate) - self._written
        longest = round(_LONGEST_HOLE_SECONDS * self._rate) + 1
        if due > longest:
            self._begin += (due - longest) / self._rate
        times = max(1, min(due, longest))
        for _ in range(times):
            self._writer.write(self._last)
        self._written += times
