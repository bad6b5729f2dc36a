"""The page's source on the library, and a viewer of it."""

from __future__ import annotations

import io
import queue
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam3_ros import Segmenter
from sam3_ros.look.library.library_viewing import LibraryViewing
from sam3_ros.look.viewing import (
    EncodedImage,
    HeldPicture,
    Marks,
    PictureStamp,
    Verdict,
    View,
    ViewedPicture,
)

PATIENCE = 60.0


class LastingSegmenter(Segmenter):
    """Is not closed by what uses it, so that several tests can."""

    def close(self) -> None:
        """Stay open."""


class LookViewer:
    """Watches a view and keeps what comes: `with LookViewer(viewing) as viewer:`"""

    def __init__(self, viewing: LibraryViewing, view: View | None = None) -> None:
        self.view = view or View(viewing.cameras()[0].name)
        self._viewing = viewing
        self._pictures: queue.Queue[ViewedPicture] = queue.Queue()

    def __enter__(self) -> LookViewer:
        self._watch = self._viewing.watch(self.view, self._pictures.put)
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()

    def until(self, wanted: Callable[[ViewedPicture], bool]) -> ViewedPicture:
        """Return the next picture that is wanted."""
        end = time.monotonic() + PATIENCE
        while (left := end - time.monotonic()) > 0:
            picture = self._pictures.get(timeout=left)
            if wanted(picture):
                return picture
        raise AssertionError("no such picture came")

    def answered(self) -> ViewedPicture:
        """Return the next picture that the model has answered, of those that come from now on."""
        while not self._pictures.empty():
            self._pictures.get()
        return self.until(lambda picture: picture.segments is not None)


def held_picture(viewing: LibraryViewing, camera: str | None = None) -> HeldPicture:
    """Hold the newest picture."""
    name = viewing.cameras()[0].name if camera is None else camera
    holding = viewing.hold(View(name)).result(PATIENCE)
    assert holding.verdict.accepted, holding.verdict.reason
    assert holding.held is not None
    return holding.held


def mark(
    asked: LibraryViewing | HeldPicture, picture: ViewedPicture, marks: Marks, **how: object
) -> Verdict:
    """Mark an object on a picture."""
    return asked.ask_marks(picture.camera, picture.stamp, marks, **how).result(PATIENCE)  # type: ignore[arg-type]


def nanoseconds(stamp: PictureStamp) -> int:
    return stamp.seconds * 1_000_000_000 + stamp.nanoseconds


def pixels(image: EncodedImage | bytes) -> npt.NDArray[np.uint8]:
    """Decode a picture."""
    data = image if isinstance(image, bytes) else image.data
    return np.asarray(Image.open(io.BytesIO(data)))
