"""What the node found in a camera's last images, without masks."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from std_msgs.msg import Header

from sam3_ros.core.geometry import Box
from sam3_ros.core.pictures.palette import Colour, track_colour
from sam3_ros.look.viewing import PictureStamp, SeenSegment
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import SegmentScore, SegmentScores
from sam3_ros.ros.answers.segments import STATES

# More than a viewer's picture is old: two seconds at 30 a second.
_KEPT = 60
# A box of no extent cannot be one.
_LEAST_SIDE_PX = 0.01
_STATES = {number: str(state) for state, number in STATES.items()}

#: Returns what the viewers call a prompt: camera, id and the node's own label.
NameOf = Callable[[str, str, str], str]


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """An image that the node has answered."""

    stamp: PictureStamp
    frame_id: str
    #: Best first.
    segments: tuple[SeenSegment, ...]
    #: Label value of each segment's prompt, by the segment's id.
    values: Mapping[int, int]
    #: RGB by label value, where the overlay draws the prompt's best object as a track.
    colours: Mapping[int, Colour]
    #: Layers whose picture of this answer has come; a click answers an image once more.
    shown: set[object] = field(default_factory=set)

    def box_of(self, prompt_id: str) -> Box | None:
        """Return where the best object of the prompt is seen; None if none is."""
        boxes = (s.box for s in self.segments if s.prompt_id == prompt_id and s.score > 0)
        return next(boxes, None)


class AnswerMemory:
    """The last answers of a camera; for the ROS thread, but for `newest`."""

    def __init__(self, camera: str, name_of: NameOf) -> None:
        self._camera, self._name_of = camera, name_of
        self._kept: deque[ScoredImage] = deque(maxlen=_KEPT)
        #: None before the first.
        self.newest: ScoredImage | None = None

    def note(self, message: SegmentScores) -> ScoredImage:
        """Keep an answer."""
        found = ScoredImage(
            stamp_of(message.header),
            message.header.frame_id,
            seen_segments(message.segments, self._camera, self._name_of),
            {each.id: each.label_value for each in message.segments},
            _track_colours(message.segments),
        )
        self._kept.append(found)
        # A click on an earlier image says nothing about what is seen now.
        if self.newest is None or found.stamp >= self.newest.stamp or self._went_back(found):
            self.newest = found
        return found

    def of(self, stamp: PictureStamp) -> list[ScoredImage]:
        """Return the answers to the image of this stamp, in the order in which they came."""
        return [each for each in self._kept if each.stamp == stamp]

    def forget(self) -> None:
        """Forget all, because nobody listens any more."""
        self._kept.clear()
        self.newest = None

    def _went_back(self, found: ScoredImage) -> bool:
        """Return whether the clock of the stamps was set back, as where a bag begins anew."""
        assert self.newest is not None
        known = {each.stamp for each in list(self._kept)[:-1]}
        return found.stamp not in known and found.stamp.seconds < self.newest.stamp.seconds


def stamp_of(header: Header) -> PictureStamp:
    return PictureStamp(header.stamp.sec, header.stamp.nanosec)


def seen_segments(
    scores: Iterable[SegmentScore], camera: str, name_of: NameOf
) -> tuple[SeenSegment, ...]:
    """Return the objects of a message; one whose box has no numbers is left out."""
    return tuple(
        SeenSegment(
            id=score.id,
            prompt_id=score.prompt_id,
            label=name_of(camera, score.prompt_id, score.label),
            score=min(max(float(score.score), 0.0), 1.0),
            box=box,
            track_id=score.track_id or None,
            state=_STATES.get(score.track_state, ""),
        )
        for score in scores
        if (box := box_of(score.box)) is not None
    )


def _track_colours(scores: Iterable[SegmentScore]) -> dict[int, Colour]:
    colours: dict[int, Colour] = {}
    for score in scores:
        if score.track_id:
            colours.setdefault(score.label_value, track_colour(score.track_id))
    return colours


def box_of(message: BoxMessage) -> Box | None:
    """Return the box of a message; None where it has no numbers."""
    corners = message.x_min, message.y_min, message.x_max, message.y_max
    if not all(map(math.isfinite, corners)):
        return None
    x_min, y_min, x_max, y_max = corners
    return Box(x_min, y_min, max(x_max, x_min + _LEAST_SIDE_PX), max(y_max, y_min + _LEAST_SIDE_PX))
