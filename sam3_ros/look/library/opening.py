"""What `sam3-ros look` is given, opened: photos, a folder, a video, a webcam, a bag, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sam3_ros.core.images.kinds import kind_of
from sam3_ros.label.chunk import SourceKind
from sam3_ros.label.inputs.discovery import FoundSource, find_sources
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.live.sources import SourceError
from sam3_ros.look.library.library_viewing import LibraryViewing
from sam3_ros.look.library.model_loading import LoadSegmenter
from sam3_ros.look.library.photos import Photos
from sam3_ros.look.library.shots import Reel
from sam3_ros.look.library.video_reel import VideoReel, WebcamReel
from sam3_ros.replay.bag.recording import BagError
from sam3_ros.ros.launching.shared_files import demo_bag

#: What the shipped bag is asked from the start.
SHIPPED_TEXT = "red cube"
_EXPECTED = "expected photos, or one video or one bag"
_FIRST_BYTES = 64
_BAG_SUFFIXES = {".mcap", ".db3", ".bag", ".yaml"}


def open_library(
    load: LoadSegmenter,
    names: Sequence[str] = (),
    camera: str | None = None,
    texts: Sequence[str] | None = None,
    read: ReadSettings | None = None,
) -> LibraryViewing:
    """Open what the page shows, and begin to load the model.

    load: returns the model; called on a thread of its own. names: photos and folders of photos, or
    one video or bag; camera: number or device of a webcam, in place of them. Without either it is
    the bag that comes with sam3_ros. texts: what is asked from the start; None is SHIPPED_TEXT for
    that bag, and nothing otherwise.

    Raises Sam3RosError (SourceError, BagError, ImageError) for what cannot be shown, in one line.
    """
    settings = read or ReadSettings()
    is_shipped = not names and camera is None
    if texts is None:
        texts = (SHIPPED_TEXT,) if is_shipped else ()
    return LibraryViewing(_supply(names, camera, settings), load, texts)


def _supply(names: Sequence[str], camera: str | None, settings: ReadSettings) -> Reel | Photos:
    if camera is not None:
        if names:
            raise SourceError(f"{_EXPECTED}, or a camera; got the camera {camera} and {names[0]}")
        return WebcamReel(camera)
    if not names:
        return _bag(demo_bag(), settings)
    photos, others = _apart(names)
    if len(others) > 1 or (photos and others):
        told = ", ".join(str(path) for path in (*(each.path for each in others), *photos[:1]))
        raise SourceError(f"{_EXPECTED} at a time, got {told}: name one of them")
    if photos:
        return Photos(photos, settings)
    (found,) = others
    if found.kind is SourceKind.VIDEO:
        return VideoReel(found.path, settings)
    if found.path.is_dir() or {*found.path.suffixes} & _BAG_SUFFIXES:
        return _bag(found.path, settings)
    return _of_unknown_kind(found.path, settings)


def _of_unknown_kind(path: Path, settings: ReadSettings) -> Reel:
    """Open a file whose name says nothing. Raises SourceError."""
    kinds: tuple[Callable[[Path, ReadSettings], Reel], ...] = (_bag, VideoReel)
    for opened in kinds:
        with suppress(BagError, SourceError):
            return opened(path, settings)
    raise SourceError(
        f"cannot show {path}: it is no image, no bag, and no video that OpenCV reads: {_EXPECTED}"
    )


def _bag(path: Path, settings: ReadSettings) -> Reel:
    try:
        from sam3_ros.look.library.bag_reel import BagReel
    except ImportError as error:  # photos and videos do without
        raise BagError(
            f"bags are read with libraries that are not here ({error}): "
            "pip install 'sam3_ros[look]'"
        ) from error
    return BagReel(path, settings)


def _apart(names: Sequence[str]) -> tuple[list[Path], list[FoundSource]]:
    """Return the photos that the names mean, and the videos and bags."""
    photos: dict[Path, None] = {}
    others: dict[Path, FoundSource] = {}
    for name in names:
        if _is_image(Path(name)):
            photos[Path(name)] = None
            continue
        found = find_sources([name])
        if found.refused:
            told, reason = found.refused[0]
            raise SourceError(f"cannot show {told}: {reason}")
        for source in found.sources:
            if source.kind is SourceKind.PICTURES:
                photos |= dict.fromkeys(source.path / each for each in source.pictures)
            else:
                others[source.path] = source
    return list(photos), list(others.values())


def _is_image(path: Path) -> bool:
    """Return whether a file is an image by its first bytes, whatever its name says."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            kind = kind_of(file.read(_FIRST_BYTES))
    except (OSError, ValueError):  # said by who reads it
        return False
    return kind is not None and bool(kind.reader)
