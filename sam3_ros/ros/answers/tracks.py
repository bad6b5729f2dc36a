"""What became of tracked objects, as messages."""

from __future__ import annotations

from collections.abc import Sequence

from std_msgs.msg import Header

from sam3_ros.core.tracking.events import TrackEvent
from sam3_ros.msg import SegmentScore, TrackEvents
from sam3_ros.msg import TrackEvent as TrackEventMessage
from sam3_ros.ros.answers.segments import STATES

KINDS = {
    "born": TrackEventMessage.BORN,
    "confirmed": TrackEventMessage.CONFIRMED,
    "occluded": TrackEventMessage.OCCLUDED,
    "lost": TrackEventMessage.LOST,
    "found": TrackEventMessage.FOUND,
    "ended": TrackEventMessage.ENDED,
    "refused": TrackEventMessage.REFUSED,
}


def events_message(events: Sequence[TrackEvent], header: Header) -> TrackEvents:
    """Return the events of an image in their order."""
    return TrackEvents(header=header, events=[_event_message(event) for event in events])


def _event_message(event: TrackEvent) -> TrackEventMessage:
    return TrackEventMessage(
        kind=KINDS[event.kind],
        track_id=event.track_id,
        prompt_id=event.prompt_id,
        label=event.label,
        reason=event.reason,
        track_state=SegmentScore.NOT_TRACKED if event.state is None else STATES[event.state],
        track_age=event.age,
        frames_unseen=event.frames_unseen,
    )
