"""The order of an image's segments, and the number that each has in messages and instance masks."""

from __future__ import annotations

from collections.abc import Sequence

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.segmenter.segments import Segment

MOST_SEGMENTS = 2**16 - 1


def best_first(segments: Sequence[Segment]) -> list[Segment]:
    """Return the order of every topic; equal scores keep theirs, and what is not seen goes last.

    Raises InferenceError for more than the 16 bits of a mask's pixel or a message's id can number.
    """
    if len(segments) > MOST_SEGMENTS:
        raise InferenceError(
            f"expected at most {MOST_SEGMENTS} segments in an image, got {len(segments)}: ask "
            "fewer prompts, or raise score_threshold"
        )
    return sorted(segments, key=lambda segment: (segment.bounds is None, -segment.score))


def pixel_values(segments: Sequence[Segment], some_are_tracked: bool = False) -> list[int]:
    """Return the number of each segment: SegmentScore.id, and its pixels in an instance mask.

    Of a tracked one its track's id; from 65,536 on they begin again at 1, and where two would be
    the same the later takes the next free one. Others go by their place, from 1; or, where prompts
    of the image are tracked, down from 65,535, so that no number is now a track's and now not.
    """
    if not some_are_tracked:
        return list(range(1, len(segments) + 1))
    taken: dict[int, int] = {}  # by the place in the list
    used: set[int] = set()
    for place, segment in enumerate(segments):
        if segment.track is not None:
            number = _from_one(segment.track.id)
            while number in used:
                number = _from_one(number + 1)
            taken[place] = number
            used.add(number)
    free = (number for number in range(MOST_SEGMENTS, 0, -1) if number not in used)
    return [taken[place] if place in taken else next(free) for place in range(len(segments))]


def _from_one(number: int) -> int:
    return (number - 1) % MOST_SEGMENTS + 1
