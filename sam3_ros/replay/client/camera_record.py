"""What is known about one camera during a replay: its images, its prompts, its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sensor_msgs.msg import Image

from sam3_ros.msg import Objects3D, PromptStatus, SegmentScores
from sam3_ros.replay.ask.cues import PromptCue, is_on_image
from sam3_ros.replay.ask.plan import CameraPlan
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.client.frame_log import FrameLog, stamp_of
from sam3_ros.replay.client.pending_prompts import NO_LONGER, PendingPrompt, PendingPrompts
from sam3_ros.replay.client.place_statistics import PlaceStatistics
from sam3_ros.replay.client.prompt_statistics import PromptStatistics
from sam3_ros.replay.client.track_statistics import TrackStatistics


@dataclass(frozen=True, eq=False)
class AskedPrompt:
    """A message that is about to be published."""

    prompt: PendingPrompt
    #: Of the image that a click names; 0 for none.
    stamp_ns: int


class CameraRecord:
    """The record of one camera. Times are s, monotonic. Not thread-safe: the caller locks."""

    def __init__(self, plan: CameraPlan, *, stamps_from_bag: bool = False) -> None:
        """Start an empty record.

        stamps_from_bag: another process publishes the images, and they may be heard late: accept
        the stamps that the bag has.
        """
        self.plan = plan
        self.log = FrameLog(plan.name)
        self.pending = PendingPrompts()
        self.statistics = PromptStatistics(plan.truth, plan.name)
        self.tracks = TrackStatistics(plan.truth, plan.name)
        self.places = PlaceStatistics(plan.truth, plan.places, plan.name)
        #: What the node said about prompts that it accepted, in its order, as keys.
        self.prompt_warnings: dict[str, None] = {}
        self._expected = frozenset(plan.times.stamps_ns) if stamps_from_bag else frozenset()

    def prompt_leaves(self, cue: PromptCue, now: float) -> AskedPrompt | None:
        """Record a prompt right before it is published; None if it is not for this camera."""
        if cue.camera not in ("", self.plan.name):
            return None
        named = self.log.newest_answered if is_on_image(cue) else None
        seen = named or self.log.newest
        placed_ns = self.plan.times.stamps_ns[0] if seen is None else seen.bag_stamp_ns
        prompt = self.pending.published(
            cue, None if named is None else named.bag_stamp_ns, self.log.is_quiet
        )
        self.statistics.published(cue, placed_ns, now, is_named=named is not None)
        self.log.expect_repeats(prompt.is_click)
        return AskedPrompt(prompt, 0 if named is None else named.stamp_ns)

    def status_came(self, status: PromptStatus, now: float) -> None:
        """Take in what the node says about a prompt."""
        if status.camera not in ("", self.plan.name):
            return
        self.prompt_warnings |= dict.fromkeys(status.warnings)
        prompt = self.pending.status_came(status, now)
        if prompt is not None and prompt.accepted_at is not None:
            self.statistics.accepted(prompt.cue)
        elif prompt is not None:
            self.statistics.refused(prompt.cue, status.reason)
            self.log.expect_repeats(-prompt.is_click)
        elif not status.accepted and not status.reason.startswith(f"{NO_LONGER} asked"):
            self.pending.refused_late(status.prompt_id)
            self.statistics.dropped(status.prompt_id, status.reason)

    def mask_came(self, message: Image, now: float) -> AnsweredFrame | None:
        """Return the answer if this mask completes it."""
        stamp_ns = stamp_of(message.header)
        if stamp_ns in self._expected and not self.log.is_known(stamp_ns):
            self.log.unheard(message.header)
        return self._complete(self.log.mask(message, now))

    def scores_came(self, message: SegmentScores) -> AnsweredFrame | None:
        """Return the answer if these scores complete it."""
        return self._complete(self.log.scores(message))

    def objects_came(self, message: Objects3D) -> None:
        """Take in where the objects of an image are; in another frame they cannot be compared."""
        frame = self.log.sent_frame(message.header)
        if frame is not None and message.header.frame_id == frame.frame_id:
            self.places.objects_came(message, frame.bag_stamp_ns)

    def _complete(self, answer: AnsweredFrame | None) -> AnsweredFrame | None:
        if answer is None:
            return None
        answer = replace(answer, certain=self.pending.is_certain(answer))
        self.statistics.answered(answer, self.pending.has_certain_texts(answer))
        self.tracks.answered(answer, self.statistics.asked)
        self.pending.answered(answer)
        return answer
