"""What one viewer looks at and asks: the page without its controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.segmenter.phrases import split_phrases
from sam3_ros.look.page.marking import PictureMark
from sam3_ros.look.rights import ViewerRights
from sam3_ros.look.viewing import (
    Askable,
    FrameFiles,
    HeldPicture,
    Holding,
    ListedPrompt,
    PictureLayer,
    Verdict,
    View,
    ViewedCamera,
    Viewing,
)

#: Characters that the text field takes; each phrase has a limit of its own.
MOST_CHARACTERS = 4000
# A source answers in milliseconds, one that waits for its model in seconds.
_PATIENCE_SECONDS = 20.0
_LATE = Verdict(False, f"no answer within {_PATIENCE_SECONDS:.0f} s: is the node still there?")
_VIEW_ONLY = Verdict(False, "this page is for viewing only")
_BLANK = Verdict(False, 'type what to find, for example "red cube"')
_NOTHING_TO_REFINE = Verdict(
    False,
    "this says what is not part of an object: click the object first, or press its “Add points”",
)
_HELD_ONLY = Verdict(False, "the picture is paused: resume to follow or freeze")

Result = TypeVar("Result")


class Viewer:
    """One viewer: the camera that is shown, the picture that is held, the prompt that is selected.

    Everything runs on the server's event loop. What is refused comes back as a Verdict.
    """

    def __init__(self, viewing: Viewing, rights: ViewerRights) -> None:
        self.viewing, self.rights = viewing, rights
        #: ViewedCamera.name of what is shown.
        self.camera = ""
        self.layer = PictureLayer.OVERLAY
        #: How much of the picture what is drawn on it hides, 0 to 1.
        self.opacity = 1.0
        #: The picture that is shown while it is paused.
        self.held: HeldPicture | None = None
        self._selected: tuple[str, str] | None = None
        # The prompt that the last click made: negative points go to it.
        self._last_made = ""
        self._pausing, self._ended = False, False
        # What the held picture was drawn for.
        self._held_view: View | None = None

    @property
    def view(self) -> View:
        """Return what is looked at."""
        return View(self.camera, self.layer, with_plain=self.opacity < 1)

    def cameras(self) -> tuple[ViewedCamera, ...]:
        """Return the cameras; what is shown changes to the first if its camera is gone."""
        cameras = self.viewing.cameras()
        if cameras and self.camera not in {each.name for each in cameras}:
            self.camera = cameras[0].name
        return cameras

    def camera_beside(self, step: int) -> str:
        """Return the name of the camera that is so many places further, round the end."""
        names = [each.name for each in self.viewing.cameras()]
        if self.camera not in names:
            return self.camera
        return names[(names.index(self.camera) + step) % len(names)]

    def show_camera(self, name: str) -> None:
        """Look at another camera, live."""
        if name != self.camera:
            self.resume()
            self.camera, self._selected, self._last_made = name, None, ""

    def prompts(self) -> tuple[ListedPrompt, ...]:
        """Return the prompts of the picture that is shown."""
        return self.held.prompts() if self.held else self.viewing.prompts(self.camera)

    def selected(self) -> ListedPrompt | None:
        """Return the prompt that clicks add to; None: each click asks for a new object."""
        return next((each for each in self.prompts() if _key(each) == self._selected), None)

    def select(self, prompt: ListedPrompt | None) -> None:
        """Let clicks add to a prompt; again, or None: not any more."""
        if prompt is None or self._selected == _key(prompt):
            self._selected = None
        else:
            self._selected = _key(prompt)

    async def ask(self, text: str) -> Verdict:
        """Ask the phrases of a text."""
        if refusal := _refused_text(text):
            return refusal
        phrases = split_phrases(text)
        if not phrases:
            return _BLANK
        return await self._change(lambda asked: asked.ask_texts(phrases, ""))

    async def mark(self, mark: PictureMark) -> Verdict:
        """Ask for the object at a mark, or add the mark to the selected prompt."""
        selected = self.selected()
        prompt_id = selected.id if selected else ""
        if mark.negative and not selected:
            known = {each.id for each in self.prompts()}
            if self._last_made not in known:
                return _NOTHING_TO_REFINE if self.rights.may_change else _VIEW_ONLY
            prompt_id = self._last_made
        verdict = await self._change(
            lambda asked: asked.ask_marks(mark.camera, mark.stamp, mark.marks, prompt_id)
        )
        if verdict.accepted and verdict.prompt_ids:
            self._last_made = verdict.prompt_ids[-1]
        return verdict

    async def rename(self, prompt: ListedPrompt, label: str) -> Verdict:
        """Change what people read of a prompt."""
        if refusal := _refused_text(label):
            return refusal
        name = " ".join(label.split())
        if not name:
            return Verdict(False, "a name has at least one letter")
        return await self._change(lambda asked: asked.rename(prompt.id, prompt.camera, name))

    async def remove(self, prompt: ListedPrompt) -> Verdict:
        """Stop asking a prompt."""
        return await self._change(lambda asked: asked.remove(prompt.id, prompt.camera))

    async def follow(self, prompt: ListedPrompt, on: bool) -> Verdict:
        """Let a prompt's objects keep their ids, or not any more."""
        if self.held:
            return _HELD_ONLY
        return await self._change(lambda _: self.viewing.follow(prompt.id, prompt.camera, on))

    async def freeze(self, prompt: ListedPrompt, on: bool) -> Verdict:
        """Stop asking a prompt but keep it, or ask it again."""
        if self.held:
            return _HELD_ONLY
        return await self._change(lambda _: self.viewing.freeze(prompt.id, prompt.camera, on))

    async def set_threshold(self, score: float) -> Verdict:
        """Set the lowest score of texts' answers; 0 takes the bundle's own."""
        return await self._change(lambda asked: asked.set_threshold(score))

    async def pause(self) -> Verdict:
        """Hold the picture that is shown; nothing happens if one is held."""
        if self.held or self._pausing:
            return Verdict(True)
        self._pausing, view = True, self.view
        try:
            holding = await self._hold(view)
        finally:
            self._pausing = False
        if holding.held and (self._ended or view.camera != self.camera):  # meanwhile
            holding.held.release()
            return Verdict(True)
        self.held, self._held_view = holding.held, view
        return holding.verdict

    def resume(self) -> None:
        """Look at live pictures again."""
        if self.held:
            self.held.release()
            self.held, self._last_made = None, ""

    async def draw_held(self) -> bool:
        """Draw the held picture as it is looked at now; return whether it is drawn anew."""
        if not self.held or self._held_view == self.view:
            return False
        self._held_view = self.view
        return await _answer(self.held.show(self.view)) is not None

    async def files(self) -> FrameFiles | Verdict:
        """Return the files of the picture that is shown, or why there are none."""
        if self.held:
            return await _answer(self.held.files()) or _LATE
        holding = await self._hold(self.view)
        if holding.held is None:
            return holding.verdict
        try:
            return await _answer(holding.held.files()) or _LATE
        finally:
            holding.held.release()

    def end(self) -> None:
        """Let go of what is held: the viewer has left."""
        self._ended = True
        self.resume()

    async def _hold(self, view: View) -> Holding:
        future = self.viewing.hold(view)
        holding = await _answer(future)
        if holding is None:
            future.add_done_callback(_release)
            return Holding(_LATE)
        return holding

    async def _change(self, request: Callable[[Askable], Future[Verdict]]) -> Verdict:
        if not self.rights.may_change:
            return _VIEW_ONLY
        try:
            return await _answer(request(self.held or self.viewing)) or _LATE
        except Sam3RosError as error:
            return Verdict(False, str(error))


def _refused_text(text: str) -> Verdict | None:
    """Return why a text is not taken, which a browser alone would not send."""
    if len(text) > MOST_CHARACTERS:
        return Verdict(False, f"at most {MOST_CHARACTERS:,} characters, got {len(text):,}")
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair; no browser could be told of it
        return Verdict(False, "the text is no valid Unicode; type it again")
    return None


def _key(prompt: ListedPrompt) -> tuple[str, str]:
    return prompt.id, prompt.camera


async def _answer(future: Future[Result]) -> Result | None:
    """Return what a source answers; None if it takes too long, or gives it up."""
    waiting = asyncio.wrap_future(future)
    # Not wait_for, which would cancel what the source is about to complete.
    await asyncio.wait([waiting], timeout=_PATIENCE_SECONDS)
    return waiting.result() if waiting.done() and not waiting.cancelled() else None


def _release(late: Future[Holding]) -> None:
    held = None if late.cancelled() else late.result().held
    if held:
        held.release()
