"""The newest picture of each view that somebody watches; of what nobody watches, nothing."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from sam3_ros.look.viewing import EncodedImage, SeenSegment, View, ViewedPicture, Viewing, Watch

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, eq=False)
class SentPicture:
    """A picture as it goes to every viewer; only its number differs."""

    #: Counts the pictures of the view.
    number: int
    #: All of the head but the viewer's own number.
    head: dict[str, Any]
    #: The encoded image, and behind it the plain one if there is one.
    body: bytes

    def packed(self, number: int) -> bytes:
        """Return the message: length of the head, head, images. number: the viewer's own."""
        head = json.dumps({"n": number, **self.head}, separators=(",", ":")).encode()
        return b"".join((_LENGTH.pack(len(head)), head, self.body))


class WatchedView:
    """A view with one watch for all of its viewers. Of the event loop's thread alone."""

    def __init__(self, view: View, viewing: Viewing) -> None:
        self._view = view
        self._loop = asyncio.get_running_loop()
        self._picture: SentPicture | None = None
        self._has_come = asyncio.Event()
        self._count = 0
        self.viewers = 0
        self._watch: Watch = viewing.watch(view, self._receive)

    def close(self) -> None:
        self._watch.close()

    def _receive(self, picture: ViewedPicture) -> None:
        """Take a picture on a thread of the source."""
        try:
            self._loop.call_soon_threadsafe(self._take, picture)
        except RuntimeError:
            return  # the loop has ended, and the source ends too

    def _take(self, picture: ViewedPicture) -> None:
        self._count += 1
        self._picture = _sent(picture, self._view, self._count)
        self._has_come.set()
        self._has_come = asyncio.Event()

    async def newer_than(self, number: int) -> SentPicture:
        """Return the newest picture once there is one after this number; 0 for any."""
        while self._picture is None or self._picture.number <= number:
            await self._has_come.wait()
        return self._picture


class NewestPictures:
    """Watches each view while it has viewers."""

    def __init__(self, viewing: Viewing) -> None:
        self._viewing = viewing
        self._watched: dict[View, WatchedView] = {}

    def watch(self, view: View) -> tuple[WatchedView, Callable[[], None]]:
        """Return the view's pictures, and what ends this viewer's watching; twice is no error."""
        watched = self._watched.get(view)
        if watched is None:
            watched = self._watched[view] = WatchedView(view, self._viewing)
        watched.viewers += 1
        is_over = False

        def end() -> None:
            nonlocal is_over
            if is_over:
                return
            is_over = True
            watched.viewers -= 1
            if not watched.viewers:
                del self._watched[view]
                watched.close()

        return watched, end


def _sent(picture: ViewedPicture, view: View, number: int) -> SentPicture:
    images = [each for each in (picture.image, picture.plain) if each is not None]
    head = {
        "camera": picture.camera,
        "layer": view.layer.value,
        "sec": picture.stamp.seconds,
        "nanosec": picture.stamp.nanoseconds,
        "width": picture.width,
        "height": picture.height,
        "image": _described(picture.image),
        "plain": None if picture.plain is None else _described(picture.plain),
        "segments": None if picture.segments is None else list(map(_segment, picture.segments)),
    }
    return SentPicture(number, head, b"".join(each.data for each in images))


def _described(image: EncodedImage) -> dict[str, Any]:
    return {"type": image.media_type, "size": len(image.data)}


def _segment(segment: SeenSegment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "prompt_id": segment.prompt_id,
        "label": segment.label,
        "score": round(segment.score, 4),
        "box": [round(each, 1) for each in astuple(segment.box)],
        "track_id": segment.track_id,
        "state": segment.state,
    }
