"""All that is known of one camera during a replay: its images, its prompts, its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sensor_msgs.msg import Image

from sam3_ros.msg import PromptStatus, SegmentScores
from sam3_ros.replay.ask.cues import PromptCue, is_on_image
from sam3_ros.replay.ask.plan import CameraPlan
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.client.frame_log import FrameLog, stamp_of
from sam3_ros.replay.client.pending_prompts import NO_LONGER, PendingPrompt, PendingPrompts
from sam3_ros.replay.client.prompt_statistics import PromptStatistics


@dataclass(frozen=True, eq=False)
class AskedPrompt:
    """A message that is about to go out. stamp_ns: of the image a click names, 0 for none."""

    ticket: PendingPrompt
    stamp_ns: int


class CameraRecord:
    """Times are s, monotonic. Not safe for threads: the caller locks."""

    def __init__(self, plan: CameraPlan, *, knows_stamps_only: bool = False) -> None:
        """knows_stamps_only: another publishes the images, and they may be heard late."""
        self.plan = plan
        self.log = FrameLog(plan.name)
        self.tickets = PendingPrompts()
        self.judge = PromptStatistics(plan.truth, plan.name)
        self._expected = frozenset(plan.times.stamps_ns) if knows_stamps_only else frozenset()

    def asks(self, cue: PromptCue, now: float) -> AskedPrompt | None:
        """To be called right before a prompt leaves; None if it is none of this camera's."""
        if cue.camera not in ("", self.plan.name):
            return None
        named = self.log.newest_answered if is_on_image(cue) else None
        seen = named or self.log.newest
        placed_ns = self.plan.times.stamps_ns[0] if seen is None else seen.bag_stamp_ns
        ticket = self.tickets.published(
            cue, None if named is None else named.bag_stamp_ns, self.log.is_quiet
        )
        self.judge.published(cue, placed_ns, now, is_named=named is not None)
        self.log.expect_repeats(ticket.is_click)
        return AskedPrompt(ticket, 0 if named is None else named.stamp_ns)

    def told(self, status: PromptStatus, now: float) -> None:
        """The node has said something of a prompt."""
        if status.camera not in ("", self.plan.name):
            return
        ticket = self.tickets.told(status, now)
        if ticket is not None and ticket.told_at is not None:
            self.judge.taken(ticket.cue)
        elif ticket is not None:
            self.judge.refused(ticket.cue, status.reason)
            self.log.expect_repeats(-ticket.is_click)
        elif not status.accepted and not _gave_way(status):
            self.tickets.refused_late(status.prompt_id)
            self.judge.dropped(status.prompt_id, status.reason)

    def mask_came(self, message: Image, now: float) -> AnsweredFrame | None:
        """The answer, if it is whole with this."""
        stamp_ns = stamp_of(message.header)
        if stamp_ns in self._expected and not self.log.is_known(stamp_ns):
            self.log.unheard(message.header)
        return self._whole(self.log.mask(message, now))

    def scores_came(self, message: SegmentScores) -> AnsweredFrame | None:
        """The answer, if it is whole with these."""
        return self._whole(self.log.scores(message))

    def _whole(self, answer: AnsweredFrame | None) -> AnsweredFrame | None:
        if answer is None:
            return None
        answer = replace(answer, certain=self.tickets.is_certain(answer))
        self.judge.answered(answer, self.tickets.has_certain_texts(answer))
        self.tickets.answered(answer)
        return answer


def _gave_way(status: PromptStatus) -> bool:
    return status.reason.startswith(f"{NO_LONGER} asked")
