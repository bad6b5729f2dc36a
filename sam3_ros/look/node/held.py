# ruff: noqa: ARG002 - the seam gives camera, stamp and follow, which mean nothing here
"""A picture of a node that stays: questions to it go to the node's service, with the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

from sensor_msgs.msg import Image

from sam3_ros.core.errors import PromptError, Sam3RosError
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.look.drawing.answered_picture import AnsweredPicture
from sam3_ros.look.drawing.frame_files import frame_files
from sam3_ros.look.node.held_prompts import (
    HeldPrompt,
    HeldStart,
    HeldState,
    called,
    free_value,
    held_prompt,
    listed_held,
)
from sam3_ros.look.node.marks import joined, marks_of, put_marks
from sam3_ros.look.node.message_segments import segments_of
from sam3_ros.look.node.prompt_list import next_id
from sam3_ros.look.node.settling import settle
from sam3_ros.look.viewing import (
    FrameFiles,
    ListedPrompt,
    Marks,
    PictureStamp,
    Verdict,
    View,
    ViewedPicture,
)
from sam3_ros.msg import Prompt
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.prompts.messages import prompt_from_message
from sam3_ros.ros.stamps import NANOSECONDS
from sam3_ros.srv import Segment as SegmentService

_RELEASED = "this picture was let go: pause again"
_UNKNOWN = "it is not asked of this picture: look at the list, and ask again"

#: Calls the node's service: request, what takes the response, what takes the reason for none.
AskNode = Callable[
    [
        SegmentService.Request,
        Callable[[SegmentService.Response], None],
        Callable[[str], None],
    ],
    None,
]


class HeldNodePicture:
    """A HeldPicture; see the seam. Changes and drawing are done on one thread of their own."""

    def __init__(self, start: HeldStart, view: View, ask_node: AskNode, drawing: Executor) -> None:
        """Draw it as the view wants it; on the drawing thread. Raises ImageError."""
        self._start, self._view = start, view
        self._ask_node, self._drawing = ask_node, drawing
        self._is_released = False
        self._state = HeldState().with_prompts(held_prompt(each, start) for each in start.asked)
        self._answered = self._drawn()
        self._picture = self._answered.viewed(view)

    @property
    def picture(self) -> ViewedPicture:
        return self._picture

    def prompts(self) -> tuple[ListedPrompt, ...]:
        state = self._state
        return tuple(listed_held(each, state.found(each)) for each in state.prompts.values())

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        try:
            texts = [ConceptPrompt(phrase) for phrase in phrases]
        except PromptError as error:
            return _done(Verdict(False, str(error)))
        if not texts:
            return _done(Verdict(False, "nothing to ask: write what to find, such as red cube"))
        prompts = {
            text.id: Prompt(id=text.id, label=text.label, text=text.text or "") for text in texts
        }
        return self._ask(list(prompts.values()))

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        known = self._state.prompts.get(prompt_id)
        if not (marks.positive or marks.negative or marks.box is not None):
            return _done(
                Verdict(False, "nothing was marked: click on an object, or draw a box around it")
            )
        if not prompt_id:
            kind = "box" if marks.box is not None else "point"
            base = Prompt(id=next_id(kind, frozenset(self._state.prompts)))
            return self._ask([put_marks(base, marks)])
        if known is None:
            return _done(Verdict(False, _UNKNOWN))
        return self._ask([put_marks(known.message, joined(marks_of(known.message), marks))])

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        if not label.strip():
            return _done(Verdict(False, "expected a name, got nothing to read"))

        def renamed(prompt: HeldPrompt) -> HeldPrompt:
            segments = tuple(called(each, label) for each in prompt.segments)
            return replace(prompt, label=label, segments=segments)

        return self._change(
            lambda state: state.with_prompts([renamed(state.prompts[prompt_id])]), prompt_id
        )

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        def without(state: HeldState) -> HeldState:
            kept = {name: each for name, each in state.prompts.items() if name != prompt_id}
            return replace(state, prompts=kept)

        return self._change(without, prompt_id)

    def set_threshold(self, score: float) -> Future[Verdict]:
        if not 0.0 <= score <= 1.0:
            return _done(Verdict(False, f"expected a threshold from 0 to 1, got {score:g}"))
        warnings: tuple[str, ...] = ()
        if 0.0 < score < self._start.node_threshold:
            warnings = (
                f"the node answers nothing below {self._start.node_threshold:g}, its own threshold",
            )
        return self._change(lambda state: replace(state, threshold=score), warnings=warnings)

    def show(self, view: View) -> Future[ViewedPicture]:
        future: Future[ViewedPicture] = Future()

        def draw() -> None:
            self._view = view
            self._picture = self._answered.viewed(view)
            settle(future, self._picture)

        self._submit(draw, future.set_exception)
        return future

    def files(self) -> Future[FrameFiles]:
        future: Future[FrameFiles] = Future()

        def write() -> None:
            held = self._state.prompts.values()
            prompts = [(prompt_from_message(each.message), each.label) for each in held]
            settle(future, frame_files(self._answered, prompts, self._start.bundle))

        self._submit(write, future.set_exception)
        return future

    def release(self) -> None:
        self._is_released = True

    def _ask(self, prompts: Sequence[Prompt]) -> Future[Verdict]:
        """Ask the node about the image; what it finds takes the place of what these ids had."""
        future: Future[Verdict] = Future()

        def on_response(response: SegmentService.Response) -> None:
            if not response.success:
                settle(future, Verdict(False, response.reason))
                return
            self._submit(
                lambda: self._take(prompts, response, future),
                lambda error: settle(future, Verdict(False, str(error))),
            )

        def call() -> None:
            request = SegmentService.Request(image=self._image(), prompts=list(prompts))
            self._ask_node(
                request, on_response, lambda reason: settle(future, Verdict(False, reason))
            )

        self._submit(call, lambda error: settle(future, Verdict(False, str(error))))
        return future

    def _image(self) -> Image:
        """Return the image to send; the service takes raw ones."""
        message = self._start.message
        if isinstance(message, Image):
            return message
        return image_message(self._start.rgb, "rgb8", message.header)

    def _take(
        self,
        prompts: Sequence[Prompt],
        response: SegmentService.Response,
        future: Future[Verdict],
    ) -> None:
        found = segments_of(response.segments)
        state = self._state
        for prompt in prompts:
            known = state.prompts.get(prompt.id)
            label = prompt.label or prompt.id if known is None else known.label
            value = free_value(state) if known is None else known.label_value
            segments = tuple(called(e, label) for e in found if e.prompt_id == prompt.id)
            state = state.with_prompts([HeldPrompt(prompt, value, label, segments)])
        self._replace(state)
        ids = tuple(prompt.id for prompt in prompts)
        settle(future, Verdict(True, warnings=tuple(response.warnings), prompt_ids=ids))

    def _change(
        self,
        change: Callable[[HeldState], HeldState],
        prompt_id: str = "",
        warnings: tuple[str, ...] = (),
    ) -> Future[Verdict]:
        future: Future[Verdict] = Future()

        def run() -> None:
            if prompt_id and prompt_id not in self._state.prompts:
                settle(future, Verdict(False, _UNKNOWN))
                return
            self._replace(change(self._state))
            ids = (prompt_id,) if prompt_id else ()
            settle(future, Verdict(True, warnings=warnings, prompt_ids=ids))

        self._submit(run, lambda error: settle(future, Verdict(False, str(error))))
        return future

    def _replace(self, state: HeldState) -> None:
        self._state = state
        self._answered = self._drawn()
        self._picture = self._answered.viewed(self._view)

    def _drawn(self) -> AnsweredPicture:
        start, state = self._start, self._state
        found = [segment for each in state.prompts.values() for segment in state.found(each)]
        values = {name: each.label_value for name, each in state.prompts.items()}
        stamp_ns = start.stamp.seconds * NANOSECONDS + start.stamp.nanoseconds
        return AnsweredPicture.of(start.camera, stamp_ns, start.rgb, found, values)

    def _submit(self, work: Callable[[], None], refuse: Callable[[Any], None]) -> None:
        """Do something on the drawing thread."""
        if self._is_released:
            refuse(Sam3RosError(_RELEASED))
            return

        def run() -> None:
            try:
                work()
            except Exception as error:  # so that nobody waits for ever
                refuse(error)

        try:
            self._drawing.submit(run)
        except RuntimeError:
            refuse(Sam3RosError("sam3-ros look ends"))


def _done(verdict: Verdict) -> Future[Verdict]:
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future
