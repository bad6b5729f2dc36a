"""The pictures of a video file, by their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sam3_ros.label.chunk import FramePlace
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.reader import ReadFrame
from sam3_ros.live.sources import Picture, SourceError, VideoFile, open_video

_SECOND_NS = 1_000_000_000
# So many may lack at a video's end: many headers say no number, and duration times rate is rounded.
_ROUNDED = 2


class VideoReader:
    """An open video. Not every container can be searched, so it is decoded from picture to picture.

    A chunk behind the one before needs no more than what lies between; one before begins anew.
    """

    def __init__(self, path: str, settings: ReadSettings) -> None:
        """Open it. Raises SourceError."""
        opened = open_video(Path(path), settings.max_megapixels)
        if not isinstance(opened, VideoFile):
            raise SourceError(f"expected a video file, got the folder {path}")
        self.video = opened
        self._next = 0

    def place(self, index: int) -> FramePlace:
        """Return the place of a picture: its time is its number divided by the video's rate."""
        return video_place(index, self.video.rate or 1.0)

    def frames(
        self, topic: str, places: Sequence[FramePlace], step: int | None = None
    ) -> Iterator[ReadFrame]:
        """Yield pictures as SourceReader says."""
        del topic  # it has one
        for place in places:
            picture = self._picture(place.index)
            if picture is not None:
                yield _read(place, picture)
            elif step is None or places[-1].index - self._next >= _ROUNDED:
                reason = f"the video ends after {self._next} pictures, its header promises more"
                yield ReadFrame(place, None, place.time_ns, failure=reason)
            else:  # the header may not have counted them
                return
        index = places[-1].index
        while step is not None and (picture := self._picture(index := index + step)) is not None:
            yield _read(self.place(index), picture)

    def remarks(self) -> tuple[str, ...]:
        """Return nothing: what a video lacks is found at its end."""
        return ()

    def close(self) -> None:
        self.video.close()

    def _picture(self, index: int) -> Picture | None:
        """Return a picture, BGR; None where the video ends before it."""
        if index < self._next:
            self.video.rewind()
            self._next = 0
        missing = index - self._next
        self._next += self.video.skip(missing)
        if self._next < index:
            return None
        picture = self.video.read()
        self._next += picture is not None
        return picture


def video_place(index: int, rate: float) -> FramePlace:
    """Return the place of a picture in a video of so many pictures a second."""
    return FramePlace(index, round(index * _SECOND_NS / rate))


def _read(place: FramePlace, picture: Picture) -> ReadFrame:
    return ReadFrame(place, np.ascontiguousarray(picture[:, :, ::-1]), place.time_ns)
