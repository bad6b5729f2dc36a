"""What viewers ask and change, as messages to the node.

Everything goes by ~/prompts: PUT adds a prompt or replaces the one of its id, REMOVE ends it. A
prompt that is replaced loses its tracked objects. So of what is followed nothing is sent again
unless its marks change; a name of its own is kept here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.look.node.answers import ScoredImage
from sam3_ros.look.node.link import NodeLink
from sam3_ros.look.node.marks import joined, marks_of, moved, put_marks
from sam3_ros.look.node.prompt_list import kind_of, next_id
from sam3_ros.look.node.settling import settle
from sam3_ros.look.viewing import Marks, PictureStamp, Verdict
from sam3_ros.msg import ActivePrompt, Prompt, Prompts

# The node reads no longer message than 64 KiB.
_MOST_BYTES = 60_000
_UNKNOWN = "it is not asked any more: look at the list, and ask again"
_KEEPS_NAME = "the picture goes on with the old name: with another one its object would begin anew"
# For a list from the node that is on its way.
_REMEMBERED_SECONDS = 5.0


@dataclass(frozen=True)
class _Placed:
    """Where an object was when it was shown by marks."""

    stamp: PictureStamp
    #: None before the answer, and where it was not found.
    box: Box | None = None
    #: time.monotonic() s.
    since: float = field(default_factory=time.monotonic)


class PromptChanges:
    """Changes what is asked of the node; for the ROS thread. Each settles a future."""

    def __init__(self, link: NodeLink) -> None:
        self._link = link
        # By camera and id; the box is filled in with the answer.
        self._placed: dict[tuple[str, str], _Placed] = {}
        link.on_answer = self._on_answer

    def ask_texts(self, texts: Sequence[ConceptPrompt], camera: str, done: Future[Verdict]) -> None:
        """Ask texts beside what is asked."""
        prompts = [
            Prompt(id=text.id, label=text.label, camera=camera, text=text.text or "")
            for text in {text.id: text for text in texts}.values()
        ]
        # What is asked already keeps its objects.
        new = [each for each in prompts if not self._is_asked(each)]
        if not prompts:
            settle(done, Verdict(False, "nothing to ask: write what to find, such as red cube"))
        elif not new:
            settle(done, Verdict(True, prompt_ids=tuple(each.id for each in prompts)))
        elif sum(len(each.text.encode()) * 3 for each in new) > _MOST_BYTES:
            settle(done, Verdict(False, "too much text for one question: ask in several"))
        else:
            self._link.ask(Prompts(action=Prompts.PUT, prompts=new), done)

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str,
        follow: bool,
        done: Future[Verdict],
    ) -> None:
        """Ask for the object at these marks, or add them to those of a prompt."""
        if not (marks.positive or marks.negative or marks.box is not None):
            settle(done, Verdict(False, "nothing was marked: click on an object, or draw a box"))
            return
        if prompt_id:
            known = self._find(prompt_id, camera)
            if known is None:
                settle(done, Verdict(False, _UNKNOWN))
                return
            base = known.prompt
            marks = joined(self._marks_at(base, camera, stamp), marks)
        else:
            name = next_id("box" if marks.box is not None else "point", self._taken())
            base = Prompt(id=name, camera=camera, tracking=follow)
        self._put(put_marks(base, marks), camera, stamp, done)

    def rename(self, prompt_id: str, camera: str, label: str, done: Future[Verdict]) -> None:
        """Change what people read."""
        prompts = self._link.prompts
        known, frozen = prompts.find(prompt_id, camera), prompts.frozen(prompt_id, camera)
        if known is None and frozen is None:
            settle(done, Verdict(False, _UNKNOWN))
        elif not label.strip():
            settle(done, Verdict(False, "expected a name, got nothing to read"))
        elif known is None or known.prompt.tracking or kind_of(known.prompt) != "text":
            prompts.call(prompt_id, camera, label)
            warnings = (_KEEPS_NAME,) if known is not None else ()
            settle(done, Verdict(True, warnings=warnings, prompt_ids=(prompt_id,)))
        else:
            prompts.forget_name(prompt_id, camera)
            renamed = put_marks(known.prompt, marks_of(known.prompt))
            renamed.label = label
            self._link.ask(Prompts(action=Prompts.PUT, prompts=[renamed]), done)

    def remove(self, prompt_id: str, camera: str, done: Future[Verdict]) -> None:
        """Stop asking, or forget what was frozen."""
        if self._link.prompts.frozen(prompt_id, camera) is not None:
            self._link.prompts.thaw(prompt_id, camera)
            settle(done, Verdict(True, prompt_ids=(prompt_id,)))
            return

        def forget(verdict: Verdict) -> None:
            if verdict.accepted:
                self._placed.pop((camera, prompt_id), None)
            settle(done, verdict)

        gone = Prompts(action=Prompts.REMOVE, prompts=[Prompt(id=prompt_id, camera=camera)])
        self._link.ask(gone, _then(forget))

    def follow(self, prompt_id: str, camera: str, on: bool, done: Future[Verdict]) -> None:
        """Let its objects keep their ids, or not any more."""
        known = self._link.prompts.find(prompt_id, camera)
        if known is None:
            settle(done, Verdict(False, _UNKNOWN))
        elif known.prompt.tracking == on:
            settle(done, Verdict(True, prompt_ids=(prompt_id,)))
        else:
            self._ask_again(known.prompt, done, tracking=on)

    def freeze(self, prompt_id: str, camera: str, on: bool, done: Future[Verdict]) -> None:
        """Stop asking but keep it, or ask it again."""
        prompts = self._link.prompts
        known, frozen = prompts.find(prompt_id, camera), prompts.frozen(prompt_id, camera)
        if on and known is not None:
            self._freeze(known, done)
        elif not on and frozen is not None:
            self._ask_again(frozen.message, done)
        elif known is None and frozen is None:
            settle(done, Verdict(False, _UNKNOWN))
        else:
            settle(done, Verdict(True, prompt_ids=(prompt_id,)))

    def _freeze(self, known: ActivePrompt, done: Future[Verdict]) -> None:
        prompt, camera = known.prompt, known.prompt.camera
        kept = prompt
        if kind_of(prompt) in ("click", "box") and (newest := self._link.newest(camera)):
            # Its object is to be found where it is now.
            kept = put_marks(prompt, self._marks_at(prompt, camera, newest.stamp))

        frozen = self._link.prompts.to_freeze(known, kept)

        def keep(verdict: Verdict) -> None:
            if verdict.accepted:
                self._link.prompts.freeze(frozen)
            settle(done, verdict)

        gone = Prompts(action=Prompts.REMOVE, prompts=[Prompt(id=prompt.id, camera=camera)])
        self._link.ask(gone, _then(keep))

    def _ask_again(
        self, prompt: Prompt, done: Future[Verdict], tracking: bool | None = None
    ) -> None:
        """Ask a prompt anew, its marks where its object is now."""
        camera = prompt.camera
        newest = self._link.newest(camera)
        if kind_of(prompt) in ("text", "other") or newest is None:
            again, stamp = put_marks(prompt, marks_of(prompt)), None
            again.boxes, again.negative_boxes = prompt.boxes, prompt.negative_boxes
        else:
            again = put_marks(prompt, self._marks_at(prompt, camera, newest.stamp))
            stamp = newest.stamp
        again.tracking = prompt.tracking if tracking is None else tracking
        if stamp is None:
            self._link.ask(Prompts(action=Prompts.PUT, prompts=[again]), done)
        else:
            self._put(again, camera, stamp, done)

    def _put(self, prompt: Prompt, camera: str, stamp: PictureStamp, done: Future[Verdict]) -> None:
        self._placed[camera, prompt.id] = _Placed(stamp)
        self._link.ask(Prompts(action=Prompts.PUT, prompts=[prompt]), done, stamp)

    def _marks_at(self, prompt: Prompt, camera: str, stamp: PictureStamp) -> Marks:
        """Return a prompt's marks where its object is in the image of this stamp.

        They stay where they are if it is not known how it has moved.
        """
        marks, placed = marks_of(prompt), self._placed.get((camera, prompt.id))
        answer = self._link.answer_of(camera, stamp)
        now = None if answer is None else answer.box_of(prompt.id)
        if now is None or not prompt.tracking or (placed is not None and placed.stamp == stamp):
            return marks
        if placed is None or placed.box is None:
            return Marks(box=now)
        return moved(marks, placed.box, now)

    def _find(self, prompt_id: str, camera: str) -> ActivePrompt | None:
        """Return the camera's own prompt, or that for every camera."""
        prompts = self._link.prompts
        return prompts.find(prompt_id, camera) or prompts.find(prompt_id, "")

    def _is_asked(self, prompt: Prompt) -> bool:
        known = self._link.prompts.find(prompt.id, prompt.camera)
        return known is not None and known.prompt.text == prompt.text

    def _taken(self) -> frozenset[str]:
        """Return the ids in use; a click that the node has not listed yet has its id, too."""
        listed, now = self._link.prompts.ids, time.monotonic()
        self._placed = {
            key: placed
            for key, placed in self._placed.items()
            if key[1] in listed or now - placed.since < _REMEMBERED_SECONDS
        }
        return listed | {prompt_id for _, prompt_id in self._placed}

    def _on_answer(self, camera: str, answer: ScoredImage) -> None:
        """Note where an object is that was shown on this image."""
        for key, placed in list(self._placed.items()):
            if key[0] == camera and placed.box is None and placed.stamp == answer.stamp:
                self._placed[key] = replace(placed, box=answer.box_of(key[1]))


def _then(work: Callable[[Verdict], None]) -> Future[Verdict]:
    """Return a future that hands over its result."""
    future: Future[Verdict] = Future()
    future.add_done_callback(lambda each: work(each.result()))
    return future
