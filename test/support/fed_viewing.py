"""A source of the page to which a test gives pictures, and which keeps what it is asked."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sam3_ros.look.viewing import (
    EncodedImage,
    FrameFiles,
    Holding,
    ListedPrompt,
    Marks,
    PictureStamp,
    Receiver,
    Verdict,
    View,
    ViewedCamera,
    ViewedHealth,
    ViewedPicture,
)


def done(value: Any) -> Future:
    future: Future = Future()
    future.set_result(value)
    return future


def picture_of(number: int, size: int = 20_000, camera: str = "") -> ViewedPicture:
    """Return a picture whose stamp is the number and whose image is so many bytes."""
    image = EncodedImage(number.to_bytes(4, "big") + bytes(size - 4), "image/jpeg")
    return ViewedPicture(camera, PictureStamp(number, 0), 640, 480, image, ())


@dataclass(eq=False)
class FedWatch:
    viewing: FedViewing
    view: View
    receiver: Receiver

    def close(self) -> None:
        with self.viewing.lock:
            if self in self.viewing.watches:
                self.viewing.watches.remove(self)


@dataclass(eq=False)
class FedHeld:
    viewing: FedViewing
    picture: ViewedPicture
    is_released: bool = False

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self.viewing.ask_texts(phrases, camera)

    def files(self) -> Future[FrameFiles]:
        return done(FrameFiles("frame", b"", b"", b"{}"))

    def release(self) -> None:
        self.is_released = True


@dataclass(eq=False)
class FedViewing:
    """A Viewing; its other requests all end in `asked`, and are accepted."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    watches: list[FedWatch] = field(default_factory=list)
    held: list[FedHeld] = field(default_factory=list)
    newest: ViewedPicture | None = None
    is_closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, picture: ViewedPicture) -> None:
        """Give a picture to all that watch."""
        with self.lock:
            self.newest = picture
            watches = tuple(self.watches)
        for watch in watches:
            watch.receiver(picture)

    def cameras(self) -> tuple[ViewedCamera, ...]:
        return (ViewedCamera("", "fed"),)

    def watch(self, view: View, receiver: Receiver) -> FedWatch:
        watch = FedWatch(self, view, receiver)
        with self.lock:
            self.watches.append(watch)
        if self.newest is not None:
            receiver(self.newest)
        return watch

    def prompts(self, camera: str) -> tuple[ListedPrompt, ...]:
        del camera
        return ()

    def health(self, camera: str) -> ViewedHealth:
        del camera
        return ViewedHealth("active", "fed")

    def _accept(self, *asked: Any) -> Future[Verdict]:
        self.asked.append(asked)
        return done(Verdict(True))

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self._accept("texts", phrases, camera)

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        return self._accept("marks", camera, stamp, marks, prompt_id, follow)

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        return self._accept("rename", prompt_id, camera, label)

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        return self._accept("remove", prompt_id, camera)

    def follow(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._accept("follow", prompt_id, camera, on)

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._accept("freeze", prompt_id, camera, on)

    def set_threshold(self, score: float) -> Future[Verdict]:
        return self._accept("threshold", score)

    def hold(self, view: View) -> Future[Holding]:
        del view
        held = FedHeld(self, self.newest or picture_of(1))
        self.held.append(held)
        return done(Holding(Verdict(True), held))  # type: ignore[arg-type]

    def close(self) -> None:
        self.is_closed = True
