"""How a frame, or a click on a frame seen before, is answered: decode, ask, publish.

Above 300 lines, because a frame and a click share each step, and their order is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError, PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.segment_numbers import best_first
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.timings import Timings
from sam3_ros.ros.answers.messages import Answer
from sam3_ros.ros.answers.outputs import Outputs
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.frame_images import FrameImages
from sam3_ros.ros.frames.job import Job
from sam3_ros.ros.frames.kept_answers import Answers, KeptAnswers
from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError
from sam3_ros.ros.frames.memory import FrameMemory, SeenFrame
from sam3_ros.ros.frames.one_shot import OneShot
from sam3_ros.ros.frames.one_shot_answerer import OneShotAnswerer
from sam3_ros.ros.frames.report import StepLatencies
from sam3_ros.ros.frames.seen import not_kept_any_more
from sam3_ros.ros.frames.space_answers import SpaceAnswers
from sam3_ros.ros.frames.tracks import JUMPED_BACK, TrackedPrompts
from sam3_ros.ros.frames.work import Clicks, Frame
from sam3_ros.ros.images.conversion import ImageConverter
from sam3_ros.ros.images.messages import Pixels
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Snapshot
from sam3_ros.ros.prompts.requests import UNHEARD
from sam3_ros.ros.stamps import NANOSECONDS, time_message
from sam3_ros.ros.throttled_log import THROTTLED


@dataclass(frozen=True, eq=False)
class FrameTools:
    """What answering needs."""

    segmenter: Segmenter
    converter: ImageConverter
    prompts: ActivePrompts
    memory: FrameMemory
    #: By camera.
    outputs: Mapping[str, Outputs]
    activity: Activity
    #: Returns the parameters as they are now.
    configuration: Callable[[], NodeConfiguration]
    #: Publishes that a prompt is no longer asked: header of the frame, camera, prompt, reason.
    refuse: Callable[[Header, str, ActivePrompt, str], None]
    #: Publishes, once, how a prompt had to be changed for the image: header, camera, prompt, size.
    warn: Callable[[Header, str, ActivePrompt, ImageSize], None]
    logger: Any
    #: None where the parameter depth is false.
    space: SpaceAnswers | None = None


class FrameAnswerer:
    """Answers frames and clicks; for the inference thread."""

    def __init__(self, tools: FrameTools) -> None:
        self._tools = tools
        self.tracks = TrackedPrompts(tools.segmenter, tools.configuration)
        self.images = FrameImages(
            tools.segmenter,
            tools.converter,
            tools.outputs.keys(),
            lambda: tools.configuration().bit_depth,
            lambda: tools.configuration().max_megapixels,
            tools.logger,
        )
        self.latencies = StepLatencies()
        self._one_shots = OneShotAnswerer(
            tools.segmenter,
            tools.memory,
            tools.activity,
            lambda: tools.configuration().score_threshold or None,
            lambda seen: self.images.embedding(seen, Timings()),
        )

    def answer(self, frame: Frame) -> None:
        """Answer a frame. Raises FrameDroppedError, ImageError, and what the segmenter raises."""
        seen = SeenFrame.of(frame)
        if not (went_on := self._tools.memory.add(seen)):
            self._tools.logger.warning(
                f"the stamps of {frame.camera or 'the camera'} jumped back to "
                f"{frame.header.stamp.sec} s: its frames before are forgotten",
                **THROTTLED,
            )
        self._drop_cut_off(seen, went_on)
        self._tools.prompts.end_by_time(frame.camera, _time_ns(frame))
        try:
            self._answer(Job(seen, frame.received, is_next=True))
        except ImageError:
            self._tools.memory.forget(seen)
            raise
        finally:
            self._settle(seen, frame.received)

    def answer_clicks(self, clicks: Clicks) -> int:
        """Answer those that the frame has not answered by itself; return how many those are.

        Raises as answer(), and PromptError if the frame is no longer kept.
        """
        self.tidy()
        seen = self._tools.memory.find(clicks.camera, clicks.stamp_ns)
        wanted = self._still_wanted(clicks, seen)
        if not wanted:
            return 0
        if seen is None:
            raise PromptError(not_kept_any_more(clicks.stamp_ns))
        try:
            return self._answer_on(Job(seen, clicks.received), wanted)
        except ImageError:
            self._tools.memory.forget(seen)
            raise
        finally:
            self._settle(seen, clicks.received)

    def answer_one_shot(self, call: OneShot) -> None:
        """Respond to a call. Raises as OneShotAnswerer.answer."""
        self._one_shots.answer(call)

    def give_up(self, clicks: Clicks, reason: str) -> None:
        """Stop asking those that are not answered, and publish why; from any thread."""
        seen = self._tools.memory.find(clicks.camera, clicks.stamp_ns)
        header = seen.header if seen else Header(stamp=time_message(clicks.stamp_ns))
        for active in self._still_wanted(clicks, seen):
            self._drop(header, clicks.camera, active, reason)

    def tidy(self) -> None:
        """Free what is remembered of objects that are no longer tracked."""
        tools = self._tools
        self.tracks.tidy(tools.prompts.snapshot, tools.activity.active_since)
        if tools.space is not None and tools.activity.active_since is None:
            tools.space.drop_waiting()

    def resume_in_space(self) -> None:
        """Publish in space what has waited for its depth."""
        if self._tools.space is not None:
            self._tools.space.resume()

    def make_room(self) -> None:
        """Forget every frame, because memory ran out."""
        self._tools.memory.clear()
        if self._tools.space is not None:
            self._tools.space.drop_waiting()

    def _answer(self, job: Job) -> None:
        tools, seen = self._tools, job.seen
        topics = self._listened_to(seen)
        if topics is None:
            raise FrameDroppedError(DropReason.NOBODY_LISTENS)
        image_rgb = self.images.pixels(seen, job.steps)
        asked = tools.prompts.snapshot(seen.camera, seen.stamp_ns)
        self._publish(job, image_rgb, self._ask(job, asked), topics)
        self._count_answered(job, asked)

    def _answer_on(self, job: Job, wanted: Sequence[ActivePrompt]) -> int:
        """Publish these beside what the frame was answered with, as far as that still holds."""
        tools, seen = self._tools, job.seen
        topics = self._listened_to(seen)
        if topics is None:
            return self._refuse_unheard(seen, wanted)
        image_rgb = self.images.pixels(seen, job.steps)
        earlier = seen.answers.of(tools.prompts.has_value)
        new = self._ask(job, wanted)
        if new:
            by_id = {active.prompt.id: active for active in (*earlier, *new)}
            answers = {**earlier, **new}
            latest = {active: answers[active] for active in by_id.values()}
            self._publish(job, image_rgb, latest, topics)
            self._count_answered(job, tuple(new))
        return len(new)

    def _listened_to(self, seen: SeenFrame) -> Sequence[str] | None:
        """Return the topics in the image that have a subscriber; None where none has, in space too.

        Where somebody listens in space, the frame's depth is kept from now on.
        """
        space = self._tools.space
        in_space = space is not None and space.take(seen)
        return self._tools.outputs[seen.camera].listened_to() or (() if in_space else None)

    def _count_answered(self, job: Job, asked: Snapshot) -> None:
        camera = job.seen.camera
        latest_ns = self._tools.memory.latest_ns(camera) or _as_ns(job.received)
        self._tools.prompts.answered(camera, asked, latest_ns)

    def _refuse_unheard(self, seen: SeenFrame, wanted: Iterable[ActivePrompt]) -> int:
        """Refuse clicks that nobody would get the answer to; those without an end go on."""
        for active in wanted:
            if not active.has_end and not active.is_followed:
                latest_ns = self._tools.memory.latest_ns(seen.camera)
                self._tools.prompts.answered(seen.camera, (active,), latest_ns)
            else:
                self._drop(seen.header, seen.camera, active, UNHEARD)
        return 0

    def _still_wanted(self, clicks: Clicks, seen: SeenFrame | None) -> tuple[ActivePrompt, ...]:
        """Return those not answered by the frame, and neither cleared nor replaced since."""
        has_value = self._tools.prompts.has_value
        answered = seen.answers if seen is not None else KeptAnswers()
        wanted = (a for a in clicks.prompts if a not in answered and has_value(a))
        return tuple({active.key: active for active in wanted}.values())

    def _ask(self, job: Job, asked: Sequence[ActivePrompt]) -> Answers:
        """Return the answers of those that could be answered; drop those that do not fit the image.

        What is not tracked is asked at once, since several texts together may cost less. So each
        is checked before, to drop one without the others.
        """
        answers: dict[ActivePrompt, tuple[Segment, ...]] = {}
        together: list[ActivePrompt] = []
        tracked = [active for active in asked if active.tracking]
        for active in asked:
            if not active.tracking:
                with self._dropped_if_unfit(job, active):
                    self._tools.segmenter.check(self._encoded(job), active.prompt)
                    together.append(active)
        if together:
            threshold = self._tools.configuration().score_threshold or None
            prompts = [active.prompt for active in together]
            segments = self._tools.segmenter.ask(self._encoded(job), prompts, threshold)
            job.steps.absorb(segments.timings)
            answers |= zip(together, segments.by_prompt, strict=True)
        if tracked:
            answers |= self._tracked(job, tracked)
        for active in answers:
            seen = job.seen
            self._tools.warn(seen.header, seen.camera, active, self._encoded(job).size)
        return {active: answers[active] for active in asked if active in answers}

    @contextmanager
    def _dropped_if_unfit(self, job: Job, active: ActivePrompt) -> Iterator[None]:
        """Drop a prompt for which the block raises PromptError."""
        try:
            yield
        except PromptError as error:
            self._drop(job.seen.header, job.seen.camera, active, str(error))

    def _tracked(self, job: Job, tracked: Sequence[ActivePrompt]) -> Answers:
        """Find tracked objects; drop the prompts that are over with theirs."""
        image, seen = self._encoded(job), job.seen
        tracks = self.tracks.of(seen.camera)
        answer = tracks.answer if job.is_next else tracks.answer_earlier
        found = answer(image, job.moment, tracked)
        job.steps.absorb(found.steps.as_dict())
        job.objects.update(found.object_seconds)
        for active, reason in found.ended.items():
            self._drop(seen.header, seen.camera, active, reason)
        return found.answers

    def _encoded(self, job: Job) -> ImageEmbedding:
        """Return the frame's embedding; without any prompt it is not made."""
        return self.images.embedding(job.seen, job.steps)

    def _publish(
        self, job: Job, image_rgb: Pixels, answers: Answers, topics: Sequence[str]
    ) -> None:
        tools, seen = self._tools, job.seen
        tracks = self.tracks.if_any(seen.camera)
        found = chain.from_iterable(answers.values())
        answer = Answer(
            header=seen.header,
            image_rgb=image_rgb,
            segments=best_first(list(found)),
            label_values={active.prompt.id: active.label_value for active in answers},
            mask_encoding=tools.configuration().mask_encoding,
            received=job.received,
            waited=job.began - job.received,
            stages=job.stages,
            some_are_tracked=any(active.tracking for active in answers),
            events=() if tracks is None else tracks.events,
        )
        outputs = tools.outputs[seen.camera]
        with job.steps.measure("messages"):
            messages = outputs.messages(answer, topics)
        with tools.activity.publishing(job.received), job.steps.measure("publish"):
            publishing = outputs.publish(messages)
            # Not before: a click whose answer was not published still waits for one.
            seen.answers = KeptAnswers(answers)
            if tracks is not None:
                tracks.told()
        in_space = {} if tools.space is None else tools.space.answer(seen, answer)
        job.steps.absorb(in_space)
        if tools.activity.is_current(job.received):
            outputs.publish_timing(messages, publishing, in_space)
        self.latencies.add(job.steps.as_dict())

    def _drop_cut_off(self, seen: SeenFrame, clock_went_on: bool) -> None:
        """Drop followed objects if the node was inactive or the clock jumped back in between."""
        self.tidy()
        tracks = self.tracks.if_any(seen.camera)
        if tracks is None:
            return
        if not clock_went_on:
            tracks.restart(JUMPED_BACK)
        for active, reason in tracks.cut().items():
            self._drop(seen.header, seen.camera, active, reason)

    def _drop(self, header: Header, camera: str, active: ActivePrompt, reason: str) -> None:
        self._tools.prompts.remove(active, camera)
        self._tools.refuse(header, camera, active, reason)

    def _settle(self, seen: SeenFrame, received: float) -> None:
        """Apply the memory's limits; keep nothing from before the node was last activated."""
        if self._tools.activity.is_current(received):
            self._tools.memory.trim(seen)
        else:
            self._tools.memory.forget(seen)


def _time_ns(frame: Frame) -> int:
    """Return its stamp; where nobody set it, when the frame was received."""
    return frame.stamp_ns or _as_ns(frame.received)


def _as_ns(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
