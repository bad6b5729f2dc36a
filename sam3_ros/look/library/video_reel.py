"""A video file that loops, and a webcam."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.live.sources import (
    Picture,
    PictureSource,
    VideoFile,
    open_camera,
    open_video,
)
from sam3_ros.look.drawing.answered_picture import NANOSECONDS, Pixels
from sam3_ros.look.library.shots import Shot
from sam3_ros.look.viewing import ViewedCamera

_RATE = 30.0
# So many may lack at a video's end: many headers round.
_ROUNDED = 2


class VideoReel:
    """A video; the stamp of a picture is its place in it, the first at one picture's length."""

    is_live = False

    def __init__(self, path: Path, settings: ReadSettings) -> None:
        """Open it and look for its first picture. Raises SourceError."""
        self._video = open_video(path, settings.max_megapixels)
        self._video.read()
        self._rate = self._video.rate or _RATE
        self.name = f"video {path.name}"
        self.cameras: tuple[ViewedCamera, ...] = (ViewedCamera("", path.name),)
        self.pause = 1 / self._rate
        self.remarks: tuple[str, ...] = ()

    def lap(self) -> Iterator[Shot]:
        """Yield its pictures. Raises SourceError."""
        self._video.rewind()
        number = 0
        while (picture := self._video.read()) is not None:
            stamp_ns = round((number + 1) * NANOSECONDS / self._rate)
            yield Shot("", stamp_ns, number / self._rate, _rgb(picture))
            number += 1
        promised = self._video.promised if isinstance(self._video, VideoFile) else 0
        if promised - number > _ROUNDED:
            self.remarks = (
                f"the video ends after {number} pictures and promises {promised}: it is damaged, "
                "or was cut; what is there is shown",
            )

    def close(self) -> None:
        self._video.close()


class WebcamReel:
    """A webcam; where it fails, the next lap opens it anew."""

    is_live = True
    pause = 0.0
    remarks: tuple[str, ...] = ()

    def __init__(self, camera: str) -> None:
        """Open it and take a picture. Raises SourceError, as where another program uses it."""
        self._camera = camera
        self._opened: PictureSource | None = open_camera(camera, instead="sam3-ros look FILE")
        try:
            self._opened.read()
        except Exception:
            self._opened.close()
            raise
        self.name = f"camera {self._opened.name}"
        self.cameras: tuple[ViewedCamera, ...] = (ViewedCamera("", self._opened.name),)

    def lap(self) -> Iterator[Shot]:
        """Yield its pictures, without an end. Raises SourceError."""
        if self._opened is None:
            self._opened = open_camera(self._camera, instead="sam3-ros look FILE")
        began = time.monotonic()
        try:
            while (picture := self._opened.read()) is not None:
                yield Shot("", time.time_ns(), time.monotonic() - began, _rgb(picture))
        finally:
            self.close()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _rgb(picture: Picture) -> Callable[[], Pixels]:
    return lambda: np.ascontiguousarray(picture[:, :, ::-1])
