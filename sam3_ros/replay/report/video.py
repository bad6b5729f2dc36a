"""A video of overlays at the camera's pace, for browsers."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import Sam3RosError

Pixels = npt.NDArray[np.uint8]

#: Of the files that may be written, one of them each time.
VIDEO_SUFFIXES = (".mp4", ".webm", ".avi")
# Longer gaps are shortened: they are pauses of the camera, not dropped frames.
_LONGEST_GAP_SECONDS = 2.0
# H.264 in MP4 plays in every browser, VP9 in WebM in all current ones.
_H264, _VP9 = ("libx264", "libopenh264"), ("libvpx-vp9",)
# In the name of a file that is being written.
_UNFINISHED = "-unfinished"
_BT601 = 6  # AVCOL_SPC_SMPTE170M, what FFmpeg's conversion from RGB makes
_OPTIONS = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6"},
}


class VideoError(Sam3RosError):
    """A video that cannot be written."""


class _Encoder(Protocol):
    """Writes one file, frame by frame."""

    #: What a person should know of the file; empty if nothing.
    remark: str

    def write(self, frame_bgr: Pixels) -> None: ...

    def close(self) -> None: ...


class OverlayVideo:
    """A video that plays at the camera's pace: a frame without an overlay shows the one before.

    H.264 in .mp4, or where PyAV's FFmpeg cannot encode that, VP9 in .webm. Without PyAV what OpenCV
    can write, which browsers do not play: `remark` says so.
    """

    def __init__(self, path_without_suffix: Path, frames_per_second: float) -> None:
        self._stem = path_without_suffix
        self._rate = frames_per_second
        self._encoder: _Encoder | None = None
        self._written = 0
        self._begin = 0.0
        self._last: Pixels | None = None  # not written yet
        self._last_at = 0.0
        self._unfinished: Path | None = None
        self.path: Path | None = None
        self.remark = ""

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
        """Finish the file and return its path; None if there was no frame. Raises VideoError."""
        if self._encoder is None or self._last is None:
            return self.path
        assert self._unfinished is not None and self.path is not None
        try:
            self._encoder.write(self._last)
            self._encoder.close()
            self._unfinished.replace(self.path)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        finally:
            self._encoder = None
            self.discard()
        return self.path

    def discard(self) -> None:
        """Remove a file that is not finished; nothing after close()."""
        if self._encoder is not None:
            with suppress(Exception):  # it has failed, or fails for the same reason again
                self._encoder.close()
            self._encoder = None
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)

    def _open(self, first: Pixels) -> None:
        beside = self._stem.with_name(f"{self._stem.name}{_UNFINISHED}")
        size = first.shape[1], first.shape[0]
        self._unfinished, self._encoder = _opened(beside, self._rate, *size)
        self.path = self._stem.with_suffix(self._unfinished.suffix)
        self.remark = self._encoder.remark

    def _write_until(self, at: float) -> None:
        """Write the last frame as often as it is shown until a time, s; at least once."""
        assert self._encoder is not None and self._last is not None
        due = round((at - self._begin) * self._rate) - self._written
        longest = round(_LONGEST_GAP_SECONDS * self._rate) + 1
        if due > longest:
            self._begin += (due - longest) / self._rate
        times = max(1, min(due, longest))
        for _ in range(times):
            self._encoder.write(self._last)
        self._written += times


def _opened(stem: Path, rate: float, width: int, height: int) -> tuple[Path, _Encoder]:
    """Return the file and its encoder. Raises VideoError."""
    try:
        import av
    except ImportError:
        return _opened_by_opencv(stem, rate, width, height)
    codecs = [name for name in (*_H264, *_VP9) if _can_encode(av, name)]
    if not codecs:
        return _opened_by_opencv(stem, rate, width, height)
    path = stem.with_suffix(".mp4" if codecs[0] in _H264 else ".webm")
    return path, _AvEncoder(av, path, codecs[0], rate, width, height)


def _can_encode(av: Any, name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except ValueError:  # UnknownCodecError is one
        return False
    return True


class _AvEncoder:
    """Encodes by PyAV, in 4:2:0, as all players take it."""

    remark = ""

    def __init__(
        self, av: Any, path: Path, codec: str, rate: float, width: int, height: int
    ) -> None:
        self._av = av
        # Half of the chroma's rows and columns: a line is added to an odd size.
        self._odd = (height % 2, width % 2)
        try:
            # The index at the file's beginning, so that it plays while it is loaded.
            options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
            self._file = av.open(str(path), "w", options=options)
            whole = Fraction(rate).limit_denominator(1000)
            self._stream = self._file.add_stream(codec, rate=whole)
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
            self._stream.pix_fmt = "yuv420p"
            # Said, for else players guess by the size, and colours are off.
            self._stream.codec_context.colorspace = _BT601
            self._stream.options = _OPTIONS.get(codec, {})
            self._file.start_encoding()  # so that a bad path or size is known now
        except (OSError, av.FFmpegError) as error:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise _cannot_write(path, error) from error

    def write(self, frame_bgr: Pixels) -> None:
        bottom, right = self._odd
        if bottom or right:
            frame_bgr = np.pad(frame_bgr, ((0, bottom), (0, right), (0, 0)), mode="edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_bgr), format="bgr24")
        self._mux(frame)

    def close(self) -> None:
        try:
            self._mux(None)
        finally:
            try:
                self._file.close()
            except (OSError, self._av.FFmpegError) as error:
                raise _cannot_write(Path(self._file.name), error) from error

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._file.mux(packet)
        except (OSError, self._av.FFmpegError) as error:
            raise _cannot_write(Path(self._file.name), error) from error


class _OpenCvEncoder:
    """Encodes by OpenCV: MPEG-4, or motion JPEG."""

    def __init__(self, writer: Any, path: Path) -> None:
        self._writer, self._path = writer, path
        self.remark = "browsers do not play it, players such as VLC do; for H.264: pip install av"

    def write(self, frame_bgr: Pixels) -> None:
        self._writer.write(frame_bgr)

    def close(self) -> None:
        self._writer.release()
        if not cv2.VideoCapture(str(self._path)).isOpened():  # it tells nothing of a full disk
            raise _cannot_write(self._path, "the file is not whole")


def _opened_by_opencv(stem: Path, rate: float, width: int, height: int) -> tuple[Path, _Encoder]:
    for suffix, code in ((".mp4", "mp4v"), (".avi", "MJPG")):
        path = stem.with_suffix(suffix)
        four = cv2.VideoWriter.fourcc(*code)
        writer = cv2.VideoWriter(str(path), four, rate, (width, height))
        if writer.isOpened():
            return path, _OpenCvEncoder(writer, path)
    raise _cannot_write(stem.with_suffix(".mp4"), "OpenCV has neither MPEG-4 nor motion JPEG")


def _cannot_write(path: Path, reason: object) -> VideoError:
    path = path.with_name(path.name.replace(_UNFINISHED, ""))
    words = getattr(reason, "strerror", None) or reason  # its text repeats the path
    return VideoError(
        f"cannot write the video {path}: {words}; check that the folder can be written to and has "
        "room, and that PyAV is sound: pip install --force-reinstall av"
    )
