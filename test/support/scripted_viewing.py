"""A source of the page that does what a test says, and keeps what it was asked."""

# ruff: noqa: ARG002

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sam3_ros.core.geometry import Box
from sam3_ros.look.viewing import (
    EncodedImage,
    FrameFiles,
    Holding,
    ListedPrompt,
    Marks,
    PictureStamp,
    Receiver,
    SeenSegment,
    Verdict,
    View,
    ViewedCamera,
    ViewedHealth,
    ViewedPicture,
    Watch,
)

Answer = TypeVar("Answer")

PROMPT = ListedPrompt(
    id="red cube", label="red cube", kind="text", colour=(86, 180, 233), count=2, score=0.92,
    followed=False, frozen=False, text="red cube",
)  # fmt: skip
PICTURE = ViewedPicture(
    camera="front",
    stamp=PictureStamp(7, 5),
    width=640,
    height=480,
    image=EncodedImage(b"\xff\xd8 a picture", "image/jpeg"),
    segments=(SeenSegment(1, "red cube", "red cube", 0.92, Box(1, 2, 30, 40)),),
)


def done(answer: Answer) -> Future[Answer]:
    """Return a future that is completed already."""
    future: Future[Answer] = Future()
    future.set_result(answer)
    return future


class NoWatch:
    """A watch that brings nothing."""

    def close(self) -> None:
        """End nothing."""


@dataclass
class ScriptedHeld:
    """A held picture."""

    picture: ViewedPicture = PICTURE
    listed: tuple[ListedPrompt, ...] = (PROMPT,)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    released: int = 0

    def prompts(self) -> tuple[ListedPrompt, ...]:
        return self.listed

    def show(self, view: View) -> Future[ViewedPicture]:
        self.asked.append(("show", view))
        return done(self.picture)

    def files(self) -> Future[FrameFiles]:
        return done(FrameFiles("front_7_000000005", b"overlay", b"masks", b"{}"))

    def release(self) -> None:
        self.released += 1

    def _keep(self, *what: object) -> Future[Verdict]:
        self.asked.append(what)
        return done(Verdict(True))

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self._keep("ask_texts", phrases, camera)

    def ask_marks(
        self, camera: str, stamp: PictureStamp, marks: Marks, prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:  # fmt: skip
        return self._keep("ask_marks", camera, stamp, marks, prompt_id)

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        return self._keep("rename", prompt_id, camera, label)

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        return self._keep("remove", prompt_id, camera)

    def set_threshold(self, score: float) -> Future[Verdict]:
        return self._keep("set_threshold", score)


@dataclass
class ScriptedViewing:
    """A live source."""

    listed: tuple[ListedPrompt, ...] = (PROMPT,)
    cameras_there: tuple[ViewedCamera, ...] = (ViewedCamera("front", "front"),)
    healthy: ViewedHealth = field(default_factory=lambda: ViewedHealth("active", "node /n"))
    held: ScriptedHeld = field(default_factory=ScriptedHeld)
    #: What the next request comes to; None: the future stays open.
    verdict: Verdict | None = field(default_factory=lambda: Verdict(True))
    #: What `hold` returns instead of `held`.
    holding: Future[Holding] | None = None
    asked: list[tuple[object, ...]] = field(default_factory=list)
    open_futures: list[Future[Verdict]] = field(default_factory=list)

    def cameras(self) -> tuple[ViewedCamera, ...]:
        return self.cameras_there

    def watch(self, view: View, receiver: Receiver) -> Watch:
        return NoWatch()

    def prompts(self, camera: str) -> tuple[ListedPrompt, ...]:
        return self.listed

    def health(self, camera: str) -> ViewedHealth:
        return self.healthy

    def hold(self, view: View) -> Future[Holding]:
        self.asked.append(("hold", view))
        if self.holding is not None:
            return self.holding
        held = replace(self.held.picture, camera=view.camera)
        self.held.picture = held
        return done(Holding(Verdict(True), self.held))

    def close(self) -> None:
        self.asked.append(("close",))

    def _keep(self, *what: object) -> Future[Verdict]:
        self.asked.append(what)
        if self.verdict is not None:
            return done(self.verdict)
        self.open_futures.append(Future())
        return self.open_futures[-1]

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self._keep("ask_texts", phrases, camera)

    def ask_marks(
        self, camera: str, stamp: PictureStamp, marks: Marks, prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:  # fmt: skip
        return self._keep("ask_marks", camera, stamp, marks, prompt_id)

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        return self._keep("rename", prompt_id, camera, label)

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        return self._keep("remove", prompt_id, camera)

    def set_threshold(self, score: float) -> Future[Verdict]:
        return self._keep("set_threshold", score)

    def follow(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._keep("follow", prompt_id, camera, on)

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._keep("freeze", prompt_id, camera, on)
