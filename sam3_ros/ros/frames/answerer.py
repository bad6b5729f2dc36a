"""A frame's way, and a click's on a frame seen before: decode, ask, publish to whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError, PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.answers.answer import Answer
from sam3_ros.ros.answers.outputs import Outputs
from sam3_ros.ros.answers.segments import best_first
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError
from sam3_ros.ros.frames.memory import Answers, FrameMemory, SeenFrame
from sam3_ros.ros.frames.seen import not_kept_any_more
from sam3_ros.ros.frames.step_times import StepLatencies, StepTimes
from sam3_ros.ros.frames.work import CameraMessage, Clicks, Frame
from sam3_ros.ros.images.compressed import decode_compressed
from sam3_ros.ros.images.conversion import ImageConverter
from sam3_ros.ros.images.pixel_rows import Pixels
from sam3_ros.ros.parameters.parameters import NodeConfiguration
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts
from sam3_ros.ros.prompts.sticky import StickyObjects
from sam3_ros.ros.throttled_log import THROTTLED


@dataclass(frozen=True, eq=False)
class FrameTools:
    """What answering takes.

    outputs: by camera. configuration: what the parameters are now. refuse: tell the world, with a
    frame's header and its camera, that a prompt is no longer asked, and why.
    """

    segmenter: Segmenter
    converter: ImageConverter
    prompts: ActivePrompts
    memory: FrameMemory
    outputs: Mapping[str, Outputs]
    activity: Activity
    configuration: Callable[[], NodeConfiguration]
    refuse: Callable[[Header, str, ActivePrompt, str], None]
    logger: Any


@dataclass(frozen=True, eq=False)
class _Turn:
    """The work on one answer. received: when what is answered came; both time.monotonic() s."""

    seen: SeenFrame
    received: float
    began: float = field(default_factory=time.monotonic)
    steps: StepTimes = field(default_factory=StepTimes)


class FrameAnswerer:
    """Runs in the inference thread. image_sizes: of the last image of each camera."""

    def __init__(self, tools: FrameTools) -> None:
        self._tools = tools
        self._sticky = StickyObjects(
            tools.segmenter, lambda: tools.configuration().sticky_least_score
        )
        self.image_sizes: dict[str, ImageSize] = {}
        self.latencies = StepLatencies()

    def answer(self, frame: Frame) -> None:
        """Raises FrameDroppedError, ImageError for the image, and whatever the segmenter does."""
        seen = SeenFrame.of(frame)
        if not (went_on := self._tools.memory.add(seen)):
            self._tools.logger.warning(
                f"the stamps of {frame.camera or 'the camera'} jumped back to "
                f"{frame.header.stamp.sec} s: its frames before are forgotten",
                **THROTTLED,
            )
        self._drop_cut_off(seen, went_on)
        try:
            self._answer(_Turn(seen, frame.received))
        except ImageError:
            self._tools.memory.forget(seen)
            raise
        finally:
            self._settle(seen, frame.received)

    def answer_clicks(self, clicks: Clicks) -> int:
        """Answer those that the frame has not answered by itself; how many. Raises as answer.

        Raises PromptError if the frame is no longer kept.
        """
        seen = self._tools.memory.find(clicks.camera, clicks.stamp_ns)
        wanted = self._still_wanted(clicks, seen)
        if not wanted:
            return 0
        if seen is None:
            raise PromptError(not_kept_any_more(clicks.stamp_ns))
        try:
            return self._answer_on(_Turn(seen, clicks.received), wanted)
        except ImageError:
            self._tools.memory.forget(seen)
            raise
        finally:
            self._settle(seen, clicks.received)

    def give_up(self, clicks: Clicks, reason: str) -> None:
        """Stop asking those that are not answered, and say why; from any thread."""
        seen = self._tools.memory.find(clicks.camera, clicks.stamp_ns)
        seconds, rest = divmod(clicks.stamp_ns, 1_000_000_000)
        header = seen.header if seen else Header(stamp=Time(sec=seconds, nanosec=rest))
        for active in self._still_wanted(clicks, seen):
            self._drop(header, clicks.camera, active, reason)

    def make_room(self) -> None:
        """Forget every frame, for memory ran out."""
        self._tools.memory.clear()

    def _answer(self, turn: _Turn) -> None:
        tools, seen = self._tools, turn.seen
        topics = tools.outputs[seen.camera].listened_to()
        if not topics:
            raise FrameDroppedError(DropReason.NOBODY_LISTENS)
        image_rgb = self._decoded(turn)
        asked = tools.prompts.snapshot(seen.camera, seen.stamp_ns)
        self._publish(turn, image_rgb, self._ask(turn, asked), topics)
        tools.prompts.answered(seen.camera, asked)

    def _answer_on(self, turn: _Turn, wanted: Sequence[ActivePrompt]) -> int:
        """Beside what the frame was answered with, if that still means the same."""
        tools, seen = self._tools, turn.seen
        topics = tools.outputs[seen.camera].listened_to()
        if not topics:
            return self._unheard(seen, wanted)
        image_rgb = self._decoded(turn)
        earlier = {a: found for a, found in seen.answers.items() if tools.prompts.has_value(a)}
        new = self._ask(turn, wanted)
        if new:
            by_id = {active.prompt.id: active for active in (*earlier, *new)}
            answers = {**earlier, **new}
            told = {active: answers[active] for active in by_id.values()}
            self._publish(turn, image_rgb, told, topics)
            tools.prompts.answered(seen.camera, tuple(new))
        return len(new)

    def _unheard(self, seen: SeenFrame, wanted: Iterable[ActivePrompt]) -> int:
        """What has no end goes on with the next frames; the answer of the others would be lost."""
        for active in wanted:
            if active.frames == 0 and not active.sticky:
                self._tools.prompts.answered(seen.camera, (active,))
            else:
                reason = "nobody listens to the answers: subscribe to one, then ask again"
                self._drop(seen.header, seen.camera, active, reason)
        return 0

    def _still_wanted(self, clicks: Clicks, seen: SeenFrame | None) -> tuple[ActivePrompt, ...]:
        """Without those that the frame has answered, that are cleared, or that gave way here."""
        has_value = self._tools.prompts.has_value
        answered = seen.answers if seen is not None else {}
        wanted = (a for a in clicks.prompts if a not in answered and has_value(a))
        return tuple({active.key: active for active in wanted}.values())

    def _decoded(self, turn: _Turn) -> Pixels:
        seen = turn.seen
        if seen.image_rgb is None:
            assert seen.message is not None
            with turn.steps.measure("convert"):
                seen.image_rgb = self._read(seen.message)
            seen.message = None
            self.image_sizes[seen.camera] = ImageSize(*seen.image_rgb.shape[:2])
        return seen.image_rgb

    def _read(self, message: CameraMessage) -> Pixels:
        if isinstance(message, CompressedImage):
            return decode_compressed(message)
        return self._tools.converter.to_rgb(message)

    def _ask(self, turn: _Turn, asked: Iterable[ActivePrompt]) -> Answers:
        """Of those that could be answered."""
        self._sticky.keep_only(self._tools.prompts.all())
        answers = ((active, self._found(turn, active)) for active in asked)
        return {active: found for active, found in answers if found is not None}

    def _found(self, turn: _Turn, active: ActivePrompt) -> tuple[Segment, ...] | None:
        """One by one, so that a prompt that does not fit this image falls alone: None."""
        try:
            return self._segments(turn, active)
        except PromptError as error:
            self._drop(turn.seen.header, turn.seen.camera, active, str(error))
            return None

    def _segments(self, turn: _Turn, active: ActivePrompt) -> tuple[Segment, ...]:
        seen, segmenter = turn.seen, self._tools.segmenter
        if seen.embedding is None:  # with no prompt the image need not be encoded
            assert seen.image_rgb is not None
            seen.embedding = segmenter.encode_image(seen.image_rgb)
            turn.steps.absorb(segmenter.timings)
        threshold = self._tools.configuration().score_threshold or None
        try:
            if active.sticky:
                return (self._sticky.find(active, seen.camera, seen.embedding, turn.received),)
            return tuple(segmenter.ask(seen.embedding, [active.prompt], threshold))
        finally:
            turn.steps.absorb(segmenter.timings)

    def _publish(
        self, turn: _Turn, image_rgb: Pixels, told: Answers, topics: Sequence[str]
    ) -> None:
        tools, seen = self._tools, turn.seen
        found = chain.from_iterable(told.values())
        answer = Answer(
            header=seen.header,
            image_rgb=image_rgb,
            segments=best_first(list(found)),
            label_values={active.prompt.id: active.label_value for active in told},
            mask_encoding=tools.configuration().mask_encoding,
            received=turn.received,
            waited=turn.began - turn.received,
            stages=turn.steps.as_dict(),
        )
        outputs = tools.outputs[seen.camera]
        with turn.steps.measure("messages"):
            messages = outputs.messages(answer, topics)
        with tools.activity.publishing(turn.received), turn.steps.measure("publish"):
            outputs.publish(messages)
            seen.answers = told  # not before: a click that nobody was told of is still waited for
        self.latencies.add(turn.steps.as_dict())

    def _drop_cut_off(self, seen: SeenFrame, clock_went_on: bool) -> None:
        """What would be followed across a gap in which anything may have happened."""
        self._sticky.keep_only(self._tools.prompts.all())
        since = self._tools.activity.active_since
        for active, reason in self._sticky.cut_off(seen.camera, since, clock_went_on).items():
            self._drop(seen.header, seen.camera, active, reason)

    def _drop(self, header: Header, camera: str, active: ActivePrompt, reason: str) -> None:
        self._tools.prompts.remove(active, camera)
        self._tools.refuse(header, camera, active, reason)

    def _settle(self, seen: SeenFrame, received: float) -> None:
        """What it holds has changed; nothing is kept from before the node was last activated."""
        if self._tools.activity.is_current(received):
            self._tools.memory.trim(seen)
        else:
            self._tools.memory.forget(seen)
