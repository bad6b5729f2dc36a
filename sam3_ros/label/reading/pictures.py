"""The picture files of a folder, by their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sam3_ros.core.errors import ImageError
from sam3_ros.core.image_file import read_picture
from sam3_ros.label.chunk import FramePlace
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.reader import ReadFrame


class PicturesReader:
    """A folder; what is damaged in it costs that picture alone."""

    def __init__(self, path: str, settings: ReadSettings) -> None:
        """Read nothing yet."""
        self._folder = Path(path)
        self._settings = settings

    def frames(
        self, topic: str, places: Sequence[FramePlace], step: int | None = None
    ) -> Iterator[ReadFrame]:
        """Yield pictures as SourceReader says; they are upright, as their files say."""
        del topic, step  # it has one, and its files are counted
        for place in places:
            yield self._read(place)

    def remarks(self) -> tuple[str, ...]:
        """Return nothing: a picture that cannot be read is a frame with a failure."""
        return ()

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _read(self, place: FramePlace) -> ReadFrame:
        file = self._folder / place.file
        try:
            settings = self._settings
            picture = read_picture(file, settings.bit_depth, settings.max_megapixels)
        except ImageError as error:
            return ReadFrame(place, None, place.time_ns, failure=" ".join(str(error).split()))
        return ReadFrame(place, picture.rgb, place.time_ns)
