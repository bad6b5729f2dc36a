"""Statistics of tracks: which ids the objects of each prompt had, and how well they kept them.

With ground truth each segment that is seen is matched with the object whose box it overlaps by
half (IoU) or more, each object once, whatever the prompt means. Ids are compared within a loop of
the bag: where time jumps back, the node starts new ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.replay.bag.truth import Truth
from sam3_ros.replay.client.answered_frame import SAME_OBJECT, AnsweredFrame, FoundSegment
from sam3_ros.replay.report.tracks import TrackReport

# Parts of an object's area: below the first it is out of view, from the second on it is in view.
# Between them it is expected neither way.
_OUT_OF_VIEW, _IN_VIEW = 0.1, 0.5
# Of that area in each frame in which less is seen of it: it is partly hidden, or goes away.
_FADING = 0.95


@dataclass
class _Track:
    """One id."""

    seen: int = 0
    hidden: int = 0
    is_hidden: bool = False
    #: How often it was seen again.
    returns: int = 0
    #: The true object it was on last; 0 for none.
    number: int = 0


@dataclass
class _Object:
    """A true object that has had an id."""

    id: int
    #: Pixels of all of it, as of late.
    area: float
    #: It is or was out of view since then.
    was_out: bool = False
    #: It came back, and has no id yet.
    is_back: bool = False
    #: It was in view without an id since then.
    was_missed: bool = False


@dataclass
class _Loop:
    """The ids of one prompt in one loop."""

    tracks: dict[int, _Track] = field(default_factory=dict)
    objects: dict[int, _Object] = field(default_factory=dict)


@dataclass
class _Prompt:
    """The counts of one prompt over all loops."""

    label: str
    loops: dict[int, _Loop] = field(default_factory=dict)
    id_switches: int = 0
    moved: int = 0
    fragments: int = 0
    lost_in_view: int = 0
    returns: int = 0
    found_again: int = 0


class TrackStatistics:
    """The tracks of one camera. Not thread-safe."""

    def __init__(self, truth: Truth | None, camera: str = "") -> None:
        self._truth = truth
        self._camera = camera
        self._prompts: dict[str, _Prompt] = {}

    def answered(self, frame: AnsweredFrame, asked: Collection[str]) -> None:
        """Count an answer. asked: the ids of the prompts that are in use, as far as is known."""
        if frame.repeat:
            return
        seen: dict[str, list[FoundSegment]] = {}
        for segment in (*frame.segments, *frame.unseen):
            if segment.track is not None:
                self._prompts.setdefault(segment.prompt_id, _Prompt(segment.label))
                seen.setdefault(segment.prompt_id, []).append(segment)
        for prompt_id, prompt in self._prompts.items():
            found = seen.get(prompt_id, ())
            if found or prompt_id in asked:
                loop = prompt.loops.setdefault(frame.loop, _Loop())
                _count(loop, found)
                self._compare(prompt, loop, frame, [s for s in found if s.is_seen])

    def reports(self, titles: Mapping[str, tuple[str, str]]) -> tuple[TrackReport, ...]:
        """Return a report per prompt. titles: kind and what was asked, by prompt id, if known."""
        return tuple(
            self._report(prompt_id, prompt, *titles.get(prompt_id, ("", prompt.label)))
            for prompt_id, prompt in self._prompts.items()
        )

    def _compare(
        self, prompt: _Prompt, loop: _Loop, frame: AnsweredFrame, seen: list[FoundSegment]
    ) -> None:
        """Compare with the ground truth, if there is one."""
        if self._truth is None or frame.bag_stamp_ns not in self._truth.labels:
            return
        labels = self._truth.labels[frame.bag_stamp_ns]
        areas = np.bincount(labels.ravel(), minlength=256)
        matched = self._matched(frame, seen)
        for number, track_id in matched.items():
            area, known = float(areas[number]), loop.objects.get(number)
            if known is not None:
                _see_again(prompt, known, track_id)
                area = max(area, _FADING * known.area)
            track = loop.tracks[track_id]
            prompt.moved += track.number not in (0, number)
            track.number = number
            loop.objects[number] = _Object(track_id, area)
        for number, known in loop.objects.items():
            if number not in matched:
                _miss(prompt, known, int(areas[number]))

    def _matched(self, frame: AnsweredFrame, seen: list[FoundSegment]) -> dict[int, int]:
        """Return the id of each true object that a segment is on, the best pairs first."""
        assert self._truth is not None
        stamp = frame.bag_stamp_ns
        bounds = {number: self._truth.bounds(stamp, number) for number in self._truth.objects}
        pairs = [
            (segment.overlap(box, frame.labels.shape), number, segment.track.id)
            for segment in seen
            for number, box in bounds.items()
            if box is not None and segment.track is not None
        ]
        matched: dict[int, int] = {}
        for overlap, number, track_id in sorted(pairs, reverse=True):
            is_free = number not in matched and track_id not in matched.values()
            if overlap >= SAME_OBJECT and is_free:
                matched[number] = track_id
        return matched

    def _report(self, prompt_id: str, prompt: _Prompt, kind: str, asked: str) -> TrackReport:
        has_truth = self._truth is not None
        tracks = [track for loop in prompt.loops.values() for track in loop.tracks.values()]
        own_returns = sum(track.returns for track in tracks)
        return TrackReport(
            camera=self._camera,
            prompt_id=prompt_id,
            kind=kind,
            asked=asked,
            ids=tuple(sorted({n for loop in prompt.loops.values() for n in loop.tracks})),
            most_ids=max((len(loop.tracks) for loop in prompt.loops.values()), default=0),
            seen=sum(track.seen for track in tracks),
            hidden=sum(track.hidden for track in tracks),
            returns=prompt.returns if has_truth else own_returns,
            found_again=prompt.found_again if has_truth else own_returns,
            id_switches=prompt.id_switches if has_truth else None,
            moved=prompt.moved if has_truth else None,
            fragments=prompt.fragments if has_truth else None,
            lost_in_view=prompt.lost_in_view if has_truth else None,
        )


def _count(loop: _Loop, found: Iterable[FoundSegment]) -> None:
    for segment in found:
        assert segment.track is not None
        track = loop.tracks.setdefault(segment.track.id, _Track())
        track.seen += segment.is_seen
        track.hidden += not segment.is_seen
        track.returns += track.is_hidden and segment.is_seen
        track.is_hidden = not segment.is_seen


def _see_again(prompt: _Prompt, known: _Object, track_id: int) -> None:
    """Count an object that is matched again, or still."""
    is_same = known.id == track_id
    prompt.id_switches += not is_same
    prompt.fragments += known.was_missed and not known.was_out
    if known.was_out:
        prompt.returns += not known.is_back
        prompt.found_again += is_same


def _miss(prompt: _Prompt, known: _Object, area: int) -> None:
    """Count an object that has had an id, and has none in this frame."""
    if area < _OUT_OF_VIEW * known.area:
        known.was_out, known.is_back = True, False
    elif area >= _IN_VIEW * known.area:
        prompt.lost_in_view += 1
        known.was_missed = True
        if known.was_out and not known.is_back:
            prompt.returns += 1
            known.is_back = True
