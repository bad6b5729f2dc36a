"""Where the time of one answer went, from the camera's publishing to the mask in hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sam3_ros.msg import FrameTiming

SENDING = "sending"
TO_NODE = "to the node"
WAITING = "waiting"
SESSIONS = "sessions"
PUBLISH = "publish"
BETWEEN = "between the steps"
MASK_OVER_DDS = "mask over DDS"
MASK_READ = "mask read"
# The node's own steps in their order; others of its own that it tells of come before `messages`.
_OWN_BEFORE, _OWN_AFTER = ("convert", "preprocess", "tokenize"), ("postprocess", "messages")
# Neither time in the node nor a stage's: what the network between the processes takes.
OUTSIDE = (SENDING, TO_NODE, MASK_OVER_DDS, MASK_READ)


@dataclass(frozen=True)
class AnswerMoments:
    """All in ns of the system's clock, which both processes read.

    sent: right before the camera's image, or the click, was published; published: right after.
    left: the mask was handed to DDS in the node. reached: it was here. in_hand: the subscription's
    callback was called with it. timing: what the node told of the answer; timing_left: when.
    """

    sent: int
    published: int
    left: int
    reached: int
    in_hand: int
    timing: FrameTiming
    timing_left: int

    @property
    def total_ms(self) -> float:
        return (self.in_hand - self.sent) / 1e6


def latency_parts(moments: AnswerMoments, bundle_stages: Collection[str]) -> dict[str, float]:
    """Milliseconds by part, in their order; their sum is the total.

    sending: the camera's call of publish, unless the node has the image before it ends. to the
    node: DDS, and rclpy's reading in the node. publish: from the messages made to the mask with
    DDS. between the steps: what the node spends and tells no step of. mask read: rclpy's here.
    """
    timing = moments.timing
    steps = {step.stage: step.milliseconds for step in timing.stages}
    sessions = sum(ms for step, ms in steps.items() if step in bundle_stages)
    own = {s: ms for s, ms in steps.items() if s not in bundle_stages and s != PUBLISH}
    # The timing leaves the node the moment its total is taken.
    came = moments.timing_left - timing.total_milliseconds * 1e6
    # The node may have it before the camera's call of publish has come back.
    gone = min(moments.published, came)
    between = timing.total_milliseconds - timing.waited_milliseconds - sum(steps.values())
    before_publish = timing.waited_milliseconds + sessions + sum(own.values()) + between
    others = [s for s in own if s not in (*_OWN_BEFORE, *_OWN_AFTER)]
    return {
        SENDING: (gone - moments.sent) / 1e6,
        TO_NODE: (came - gone) / 1e6,
        WAITING: timing.waited_milliseconds,
        **{step: own[step] for step in _OWN_BEFORE if step in own},
        SESSIONS: sessions,
        **{step: own[step] for step in (*others, *_OWN_AFTER) if step in own},
        BETWEEN: between,
        PUBLISH: (moments.left - came) / 1e6 - before_publish,
        MASK_OVER_DDS: (moments.reached - moments.left) / 1e6,
        MASK_READ: (moments.in_hand - moments.reached) / 1e6,
    }
