"""What one viewer may ask: a source behind bounds of size, of rate, and of the viewer's rights.

The page leaves out the controls of who only looks; here is where they are refused.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.server.allowance import Allowance
from sam3_ros.look.viewing import (
    Askable,
    FrameFiles,
    HeldPicture,
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
    Viewing,
    Watch,
)

#: Characters of a phrase or a label, as of a prompt's text.
MOST_CHARACTERS = 1000
#: Phrases at once.
MOST_PHRASES = 64
#: Points of one request.
MOST_POINTS = 256
ASKS_A_SECOND, ASKS_AT_ONCE = 5.0, 20
#: Pictures that one viewer holds at a time.
MOST_HELD = 4

T = TypeVar("T")
S = TypeVar("S")

_ONLY_LOOKS = "This page only shows: it was started with --view-only."
_TOO_OFTEN = f"Too many requests: at most {ASKS_A_SECOND:g} a second. Try again in a moment."


class AskBounds:
    """Judges what one viewer asks; live and held pictures share it."""

    def __init__(self, rights: ViewerRights, allowance: Allowance | None = None) -> None:
        self._rights = rights
        self._allowance = allowance or Allowance(ASKS_A_SECOND, ASKS_AT_ONCE)

    def of_change(self, texts: tuple[str, ...] = (), marks: Marks | None = None) -> str:
        """Return why something may not be asked; empty if it may."""
        if not self._rights.may_change:
            return _ONLY_LOOKS
        return self.of_look() or _of_texts(texts) or _of_marks(marks)

    def of_look(self) -> str:
        """Return why not even a look that costs something may be had; empty if it may."""
        return "" if self._allowance.take() else _TOO_OFTEN


def _of_texts(texts: tuple[str, ...]) -> str:
    if len(texts) > MOST_PHRASES:
        return f"At most {MOST_PHRASES} phrases are taken at once; got {len(texts)}."
    longest = max(map(len, texts), default=0)
    if longest > MOST_CHARACTERS:
        return f"At most {MOST_CHARACTERS} characters are taken; got {longest}."
    return ""


def _of_marks(marks: Marks | None) -> str:
    if marks is None:
        return ""
    points = (*marks.positive, *marks.negative)
    if len(points) > MOST_POINTS:
        return f"At most {MOST_POINTS} points are taken at once; got {len(points)}."
    if not points and marks.box is None:
        return "A point or a box is needed; got neither."
    if not all(math.isfinite(each) for point in points for each in point):
        return "Points are finite numbers; got another one."
    return ""


class _GuardedAskable:
    """Refuses what the bounds refuse, and hands on the rest."""

    def __init__(self, askable: Askable, bounds: AskBounds) -> None:
        self._askable, self._bounds = askable, bounds

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self._judged(
            self._bounds.of_change(phrases), lambda: self._askable.ask_texts(phrases, camera)
        )

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        return self._judged(
            self._bounds.of_change((prompt_id,), marks),
            lambda: self._askable.ask_marks(camera, stamp, marks, prompt_id, follow),
        )

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        return self._judged(
            self._bounds.of_change((prompt_id, label)),
            lambda: self._askable.rename(prompt_id, camera, label),
        )

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        return self._judged(
            self._bounds.of_change((prompt_id,)), lambda: self._askable.remove(prompt_id, camera)
        )

    def set_threshold(self, score: float) -> Future[Verdict]:
        problem = self._bounds.of_change()
        if not problem and not 0 <= score <= 1:
            problem = f"A threshold is from 0 to 1; got {score:g}."
        return self._judged(problem, lambda: self._askable.set_threshold(score))

    def _judged(self, problem: str, ask: Callable[[], Future[Verdict]]) -> Future[Verdict]:
        return _done(Verdict(False, problem)) if problem else ask()


class GuardedHeldPicture(_GuardedAskable):
    """A held picture of a viewer; a HeldPicture itself."""

    def __init__(
        self,
        held: HeldPicture,
        bounds: AskBounds,
        on_release: Callable[[GuardedHeldPicture], None],
    ) -> None:
        super().__init__(held, bounds)
        self._held, self._on_release = held, on_release
        self._files: Future[FrameFiles] | None = None

    @property
    def picture(self) -> ViewedPicture:
        return self._held.picture

    def prompts(self) -> tuple[ListedPrompt, ...]:
        return self._held.prompts()

    def show(self, view: View) -> Future[ViewedPicture]:
        return self._held.show(view)

    def files(self) -> Future[FrameFiles]:
        # Against no rate, for it cannot be refused in words; but never twice at once.
        if self._files is None or self._files.done():
            self._files = self._held.files()
        return self._files

    def release(self) -> None:
        self._on_release(self)
        self._held.release()


class GuardedViewing(_GuardedAskable):
    """A source as one viewer may use it; a Viewing itself. Its close() ends what the viewer has."""

    def __init__(
        self, viewing: Viewing, rights: ViewerRights, allowance: Allowance | None = None
    ) -> None:
        bounds = AskBounds(rights, allowance)
        super().__init__(viewing, bounds)
        self._viewing = viewing
        #: For what is held: the source answers on a thread of its own.
        self._lock = threading.Lock()
        self._held: set[GuardedHeldPicture] = set()
        #: Pictures that are held, and those that were asked for.
        self._held_count = 0
        self._is_closed = False

    def cameras(self) -> tuple[ViewedCamera, ...]:
        return self._viewing.cameras()

    def watch(self, view: View, receiver: Receiver) -> Watch:
        return self._viewing.watch(view, receiver)

    def prompts(self, camera: str) -> tuple[ListedPrompt, ...]:
        return self._viewing.prompts(camera)

    def health(self, camera: str) -> ViewedHealth:
        return self._viewing.health(camera)

    def follow(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._judged(
            self._bounds.of_change((prompt_id,)),
            lambda: self._viewing.follow(prompt_id, camera, on),
        )

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Future[Verdict]:
        return self._judged(
            self._bounds.of_change((prompt_id,)),
            lambda: self._viewing.freeze(prompt_id, camera, on),
        )

    def hold(self, view: View) -> Future[Holding]:
        problem = self._bounds.of_look() or self._counted()
        if problem:
            return _done(Holding(Verdict(False, problem)))
        return _mapped(self._viewing.hold(view), self._guarded_holding)

    def _counted(self) -> str:
        """Count one more held picture; return why there may be none."""
        with self._lock:
            if self._held_count >= MOST_HELD:
                return f"At most {MOST_HELD} pictures are held for one viewer: let go of one."
            self._held_count += 1
        return ""

    def _guarded_holding(self, holding: Holding) -> Holding:
        if holding.held is None:
            with self._lock:
                self._held_count -= 1
            return holding
        held = GuardedHeldPicture(holding.held, self._bounds, self._released)
        with self._lock:
            self._held.add(held)
            has_gone = self._is_closed
        if has_gone:
            held.release()
        return Holding(holding.verdict, held)

    def _released(self, held: GuardedHeldPicture) -> None:
        with self._lock:
            if held in self._held:
                self._held.discard(held)
                self._held_count -= 1

    def close(self) -> None:
        """Let go of the viewer's held pictures; the source stays. Twice is no error."""
        with self._lock:
            self._is_closed = True
            held = tuple(self._held)
        for each in held:
            each.release()


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


def _mapped(future: Future[S], function: Callable[[S], T]) -> Future[T]:
    mapped: Future[T] = Future()
    mapped.set_running_or_notify_cancel()  # what has come must not be lost by a cancellation

    def pass_on(done: Future[S]) -> None:
        try:
            mapped.set_result(function(done.result()))
        except Exception as error:
            mapped.set_exception(error)

    future.add_done_callback(pass_on)
    return mapped
