"""Pictures one after another: from a webcam, a video file or a folder of images."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError, Sam3RosError
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS, require_size

Picture = npt.NDArray[np.uint8]

DEVICES = Path("/dev")
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
# For a file that says nothing, or nonsense.
_VIDEO_RATE, _FASTEST = 30.0, 1000.0
# What OpenCV's FFmpeg may read, by its names: containers and streams. Playlists and scripts, which
# name other files and addresses, are none of them.
_CONTAINERS = (
    *("mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "h264"),
    *("hevc", "vvc", "av1", "obu", "ivf", "vc1", "mjpeg", "flv", "ogg", "asf", "dv", "mxf", "rm"),
    *("nut", "wtv", "gif", "apng", "yuv4mpegpipe"),
)
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_INSTEAD = "--video FILE"
# Few enough to look at each of them.
_FOLDER_RATE = 5.0


class SourceError(Sam3RosError):
    """A camera, video or folder that gives no pictures."""


class PictureSource(Protocol):
    """Where pictures come from."""

    #: For people.
    name: str
    #: Its own pictures per second; None where read() waits for the next one.
    rate: float | None

    def read(self) -> Picture | None:
        """Return the next picture, uint8 [H, W, 3] BGR; None after the last. Raises SourceError."""

    def rewind(self) -> None:
        """Begin again with the first picture. Raises SourceError."""

    def close(self) -> None: ...


def open_camera(camera: str, instead: str = _INSTEAD) -> PictureSource:
    """Open a webcam by its number or device, such as 0 or /dev/video0. Raises SourceError.

    instead: what plays a video in place of a camera that is not there.
    """
    device = DEVICES / f"video{camera}" if camera.isdecimal() else Path(camera)
    _require_device(device, instead)
    _require_video_support("v4l/v4l2", "cameras")
    return Webcam(device, instead)


def open_video(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> PictureSource:
    """Open a video file, or a folder of images in the order of their names.

    Raises SourceError; opening and read() also do for pictures of more than max_megapixels.
    """
    try:
        if path.is_dir():
            return ImageFolder(path, max_megapixels)
        if path.exists() and not path.is_file():  # a pipe may never begin, and cannot be rewound
            raise SourceError(f"expected a video file or a folder of images, got {path}")
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
    if is_empty:
        raise SourceError(f"cannot read {path}: the file is empty")
    _require_video_support("ffmpeg", "videos")
    return VideoFile(path, max_megapixels)


class Webcam:
    """A camera of Video4Linux."""

    rate: float | None = None

    def __init__(self, device: Path, instead: str = _INSTEAD) -> None:
        self.name = str(device)
        self._instead = instead
        self._capture = _captured(str(device), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f"{device} cannot be opened as a camera: another program may be using it, or it "
                f"belongs to a camera and gives no pictures; {_other_cameras(device, instead)}"
            )

    def read(self) -> Picture | None:
        went_well, picture = self._capture.read()
        if not went_well:
            raise SourceError(
                f"{self.name} gives no pictures: it was unplugged, another program uses it, or "
                "the USB port is too slow; "
                f"{_other_cameras(Path(self.name), self._instead)}"
            )
        return _bgr(picture)

    def rewind(self) -> None:
        """Do nothing: a camera has no end."""

    def close(self) -> None:
        self._capture.release()


class VideoFile:
    """A file that OpenCV's FFmpeg reads, turned upright as the file says."""

    def __init__(self, path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> None:
        self.name = str(path)
        # As a whole path no name is an address, such as concat:a|b.
        self._path = str(path.absolute())
        self._max_megapixels = max_megapixels
        self._open()
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate: float | None = rate if 0 < rate <= _FASTEST else _VIDEO_RATE

    def _open(self) -> None:
        with _only_files(self._max_megapixels):
            self._capture = _captured(self._path, cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(
                f"cannot read {self.name} as a video: it is none, it is damaged, or OpenCV here "
                "lacks its codec; `ffmpeg -i FILE out.mp4` makes one that works"
            )
        size = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        self._require_size(*(int(self._capture.get(each)) for each in size))
        self._count = 0

    def _require_size(self, width: int, height: int) -> None:
        try:
            require_size(width, height, self._max_megapixels)
        except ImageError as error:
            raise SourceError(f"cannot read {self.name} as a video: {error}") from error

    def read(self) -> Picture | None:
        went_well, picture = self._capture.read()
        if went_well:
            self._count += 1
            height, width = picture.shape[:2]
            self._require_size(width, height)  # it may change within a video
            return _bgr(picture)
        if not self._count:
            raise SourceError(
                f"{self.name} holds no picture of at most {self._max_megapixels:g} megapixels "
                "that can be decoded"
            )
        return None

    def skip(self, pictures: int) -> int:
        """Pass over so many pictures; return over how many, fewer where the video ends."""
        for passed in range(pictures):
            if not self._capture.grab():
                return passed
            self._count += 1
        return pictures

    @property
    def promised(self) -> int:
        """How many pictures the file says that it has, which need not be true; 0 for no word."""
        return max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def rewind(self) -> None:
        # Opened anew: not every container can be searched.
        self.close()
        self._open()

    def close(self) -> None:
        self._capture.release()


class ImageFolder:
    """The images of a folder."""

    rate: float | None = _FOLDER_RATE

    def __init__(self, folder: Path, max_megapixels: float = MAX_MEGAPIXELS) -> None:
        self._max_megapixels = max_megapixels
        self.name = str(folder)
        self._files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _IMAGES)
        if not self._files:
            raise SourceError(f"there are no images ({', '.join(_IMAGES)}) in the folder {folder}")
        self._next = 0

    def read(self) -> Picture | None:
        if self._next == len(self._files):
            return None
        file = self._files[self._next]
        self._next += 1
        try:
            return np.ascontiguousarray(read_rgb(file, 0, self._max_megapixels)[:, :, ::-1])
        except ImageError as error:
            raise SourceError(str(error)) from error

    def rewind(self) -> None:
        self._next = 0

    def close(self) -> None:
        """Do nothing: no file stays open."""


@dataclass(frozen=True)
class PicturePace:
    """When the pictures of a source are due."""

    #: Pictures per second; None for as they come.
    rate: float | None
    #: time.monotonic() seconds.
    begin: float

    def wait_before(self, number: int, now: float) -> float:
        """Return the seconds until the picture of this number, from 0, is due; not below 0."""
        return 0.0 if self.rate is None else max(0.0, self.begin + number / self.rate - now)


def _require_device(device: Path, instead: str) -> None:
    if not device.exists():
        raise SourceError(f"there is no camera {device}; {_other_cameras(device, instead)}")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            f"you may not use {device}: `sudo usermod -aG video $USER`, then log in again"
        )


def _other_cameras(device: Path, instead: str) -> str:
    found = sorted(str(each) for each in DEVICES.glob("video[0-9]*") if each != device)
    if found:
        return f"others here are {', '.join(found)}"
    other = "other " if device.exists() else ""
    return f"this machine has no {other}/dev/video*; {instead} plays a video instead"


def _require_video_support(library: str, what: str) -> None:
    """Raise SourceError if OpenCV was built without what it reads these with."""
    for line in cv2.getBuildInformation().splitlines():
        name, _, value = line.strip().lower().partition(":")
        if name == library and not value.strip().startswith("yes"):
            raise SourceError(
                f"OpenCV {cv2.__version__} was built here without {library}, so it reads no "
                f"{what}: pip install opencv-python-headless"
            )


@contextmanager
def _only_files(max_megapixels: float) -> Iterator[None]:
    """Let OpenCV's FFmpeg read a file of a known kind, and from it nothing else.

    OpenCV reads its options from the environment whenever it opens.
    """
    before = os.environ.get(_OPTIONS)
    os.environ[_OPTIONS] = (
        f"protocol_whitelist;file|format_whitelist;{','.join(_CONTAINERS)}"
        f"|max_pixels;{int(max_megapixels * 1e6)}"
    )
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OPTIONS]
        else:
            os.environ[_OPTIONS] = before


def _captured(name: str, backend: int) -> Any:
    # OpenCV prints warnings of its own for what is said better here.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(name, backend)
    except cv2.error as error:
        raise SourceError(f"OpenCV cannot open {name}: {error}") from error


def _bgr(picture: Any) -> Picture:
    pixels = np.asarray(picture)
    if pixels.dtype != np.uint8:
        scale = 255 / (np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1.0)
        pixels = np.asarray(cv2.convertScaleAbs(pixels.astype(np.float32), alpha=scale))
    if pixels.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    assert pixels.ndim == 3 and math.prod(pixels.shape) > 0
    return np.ascontiguousarray(pixels[:, :, :3], np.uint8)
