"""What a session answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sam3_ros.core.segmenter.segments import Segment, Segments
from sam3_ros.core.tracking.events import TrackEvent


class TrackedFrame(Segments):
    """The objects of one image in the order of their ids, those that are not seen as well.

    Each segment has its `track`. One that is not seen has an empty mask, bounds None, score 0, and
    the box where it was seen last. All such masks are one array, which cannot be written to.
    """

    #: Since the answer before, in the order in which they happened.
    events: tuple[TrackEvent, ...]
    #: What finding each object took, s, by id.
    object_seconds: dict[int, float]
    #: The ids of the prompts, in the order of `by_prompt`.
    prompt_ids: tuple[str, ...]

    def __init__(
        self,
        segments: Iterable[Segment],
        timings: Mapping[str, float],
        events: Sequence[TrackEvent] = (),
        object_seconds: Mapping[int, float] | None = None,
        prompt_ids: Iterable[str] = (),
    ) -> None:
        """prompt_ids: of prompts that are to be listed also where they have no object."""
        super().__init__(segments, timings)
        self.events = tuple(events)
        self.object_seconds = dict(object_seconds or {})
        by_id: dict[str, list[Segment]] = {each: [] for each in prompt_ids}
        for segment in self:
            by_id.setdefault(segment.prompt_id, []).append(segment)
        self.prompt_ids = tuple(by_id)
        self.by_prompt = tuple(tuple(each) for each in by_id.values())
