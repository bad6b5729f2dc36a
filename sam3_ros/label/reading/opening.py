"""Opens the reader that fits a source."""

from __future__ import annotations

from collections.abc import Callable

from sam3_ros.label.chunk import LabelSource, SourceKind
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.bag import BagReader
from sam3_ros.label.reading.pictures import PicturesReader
from sam3_ros.label.reading.reader import SourceReader
from sam3_ros.label.reading.video import VideoReader

_READERS: dict[SourceKind, Callable[[str, ReadSettings], SourceReader]] = {
    SourceKind.BAG: BagReader,
    SourceKind.VIDEO: VideoReader,
    SourceKind.PICTURES: PicturesReader,
}


def open_reader(source: LabelSource, settings: ReadSettings | None = None) -> SourceReader:
    """Open a source. Raises Sam3RosError (BagError, SourceError) where it cannot be read."""
    return _READERS[source.kind](source.path, settings or ReadSettings())
