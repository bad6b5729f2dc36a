"""Who watches, and what is drawn for them: each view once, whoever watches it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sam3_ros.look.drawing.answered_picture import AnsweredPicture
from sam3_ros.look.viewing import Receiver, View

_LOG = logging.getLogger(__name__)


class FeedWatch:
    """A receiver at its view; a Watch."""

    def __init__(self, view: View, receiver: Receiver, on_close: Callable[[FeedWatch], None]):
        self.view = view
        self.receiver = receiver
        self._on_close = on_close

    def close(self) -> None:
        """Stop it."""
        self._on_close(self)


class PictureFeed:
    """The watches of all views; for any thread, but that pictures are handed over by one."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """on_change: is called when which cameras are watched may have changed."""
        self._on_change = on_change
        self._lock = threading.Lock()
        self._watches: tuple[FeedWatch, ...] = ()
        #: The cameras that somebody watches.
        self.cameras: frozenset[str] = frozenset()

    def add(self, view: View, receiver: Receiver) -> FeedWatch:
        """Begin a watch."""
        watch = FeedWatch(view, receiver, self._remove)
        self._change(lambda watches: (*watches, watch))
        return watch

    def clear(self) -> None:
        """End all watches."""
        self._change(lambda _: ())

    def publish(self, picture: AnsweredPicture, only: FeedWatch | None = None) -> None:
        """Draw a picture for every view of its camera, and hand it over.

        only: for this watch alone, if it has not ended.
        """
        mine = [each for each in self._watches if each.view.camera == picture.camera]
        for watch in mine if only is None else [each for each in mine if each is only]:
            try:
                watch.receiver(picture.viewed(watch.view))
            except Exception:  # noqa: PERF203 - of one viewer, which must not cost the others theirs
                _LOG.exception("a viewer's picture could not be handed over")

    def _remove(self, watch: FeedWatch) -> None:
        self._change(lambda watches: tuple(each for each in watches if each is not watch))

    def _change(self, changed: Callable[[tuple[FeedWatch, ...]], tuple[FeedWatch, ...]]) -> None:
        with self._lock:
            self._watches = changed(self._watches)
            self.cameras = frozenset(each.view.camera for each in self._watches)
        self._on_change()
