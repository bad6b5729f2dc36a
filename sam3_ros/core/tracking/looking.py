"""What the detections of a text say about its objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.core.geometry import Point
from sam3_ros.core.segmenter.segments import Segment, TrackState
from sam3_ros.core.tracking.association import (
    Missing,
    Overlaps,
    best_pairs,
    found_again,
    overlaps_of,
    starting,
)
from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.core.tracking.track import Looked, Track

# An object keeps its pace for so many images; later nobody knows.
_KEEPS_PACE = 3


@dataclass(frozen=True, eq=False)
class Candidate:
    """An object that a detection may be."""

    #: As it was before this image.
    track: Track
    #: Where its follower sees it in this image; None where it does not.
    seen: Place | None
    #: Whether this image still changes it; it was answered by a person's click otherwise.
    is_open: bool = True


@dataclass(frozen=True, eq=False)
class LookResult:
    """What the detections of a text say."""

    #: By the id of the object.
    looked: Mapping[int, Looked] = field(default_factory=dict)
    #: Which detection is an object's new outline, by the id of the object.
    renewed: Mapping[int, int] = field(default_factory=dict)
    #: The detections that start an object, best first.
    starts: tuple[int, ...] = ()


def look(
    found: Sequence[Segment],
    candidates: Sequence[Candidate],
    settings: TrackingSettings,
    *,
    starts: bool,
    least_score: float | None = None,
) -> LookResult:
    """Tell which detection is which object, and which are new.

    least_score: of those that start an object, by default that of the settings.
    """
    places = [Place.of(segment) for segment in found]
    seen = [each for each in candidates if each.seen is not None]
    overlaps = overlaps_of([each.seen for each in seen if each.seen is not None], places)
    same_as = _covering_the_same([each.track for each in seen], places, overlaps, settings)
    pairs = best_pairs(_without(overlaps, seen, same_as), settings.match_overlap)
    looked: dict[int, Looked] = {}
    renewed: dict[int, int] = {}
    for row, each in enumerate(seen):
        column, number = pairs.get(row), each.track.id
        if not each.is_open:
            continue
        if column is None:
            looked[number] = Looked(None, same_as.get(number, 0))
            continue
        renews = _renews(each.track, found[column].score, overlaps[row, column], settings)
        looked[number] = Looked(found[column].score, renewed=renews)
        if renews:
            renewed[number] = column
    near_none = ~np.any(overlaps >= settings.start_overlap, axis=0)
    free = [n for n in np.flatnonzero(near_none).tolist() if n not in pairs.values()]
    again = _seen_again(candidates, places, free, settings)
    for each in candidates:
        if each.seen is None and each.is_open:
            column = again.get(each.track.id)
            score = None if column is None else found[column].score
            looked[each.track.id] = Looked(score, renewed=column is not None)
    if not starts:
        return LookResult(looked, renewed | again)
    new = starting(
        [segment.score for segment in found],
        places,
        [column for column in free if column not in again.values()],
        [places[column] for column in again.values()],
        settings.start_score if least_score is None else least_score,
        settings.start_overlap,
    )
    return LookResult(looked, renewed | again, tuple(new))


def _seen_again(
    candidates: Sequence[Candidate],
    places: Sequence[Place],
    free: Sequence[int],
    settings: TrackingSettings,
) -> dict[int, int]:
    """Return which free detection is an object that is not seen, by the object's id."""
    tracks = [each.track for each in candidates if each.seen is None and each.is_open]
    again = found_again(
        [_missing(track) for track in tracks],
        [places[column] for column in free],
        settings.match_overlap,
        settings.find_within,
    )
    return {tracks[row].id: free[column] for row, column in again.items()}


def _renews(track: Track, score: float, overlap: float, settings: TrackingSettings) -> bool:
    """Return whether tracker and detector agree, and it is time."""
    return (
        track.state is not TrackState.TENTATIVE
        and track.age + 1 - track.renewed >= settings.renew_every
        and score >= settings.renew_score
        and overlap >= settings.renew_overlap
    )


def _missing(track: Track) -> Missing:
    frames = track.frames_unseen + 1
    gone = min(frames, _KEEPS_PACE)
    step = Point(track.step.x * gone, track.step.y * gone)
    return Missing(track.id, track.place, track.place.moved(step), track.size, frames)


def _without(overlaps: Overlaps, seen: Sequence[Candidate], same_as: Mapping[int, int]) -> Overlaps:
    """Leave detections to the object that they are, of several that cover the same."""
    left: Overlaps = overlaps.copy()
    for row, each in enumerate(seen):
        if each.track.id in same_as:
            left[row] = 0
    return left


def _covering_the_same(
    tracks: Sequence[Track],
    detections: Sequence[Place],
    overlaps: Overlaps,
    settings: TrackingSettings,
) -> dict[int, int]:
    """Return for each object that covers the same as another which one that is."""
    same: dict[int, int] = {}
    for column, place in enumerate(detections):
        rows = (overlaps[:, column] >= settings.match_overlap).nonzero()[0].tolist()
        if len(rows) > 1:
            sharing = [tracks[row] for row in rows]
            keeper = _keeper(sharing, place)
            same.update((each.id, keeper.id) for each in sharing if each is not keeper)
    return same


def _keeper(sharing: Sequence[Track], detection: Place) -> Track:
    """Return the object, of several at one place, that the detection there is.

    A confirmed one before the others; of those the one that was nearest when it was detected last,
    since the others have slid there. But one that had been out of sight takes its place back from
    an object that began there meanwhile.
    """
    confirmed = [each for each in sharing if each.state is not TrackState.TENTATIVE]
    ranked = sorted(confirmed or sharing, key=lambda each: each.id)
    nearest = max(ranked, key=lambda each: each.detected.iou(detection) if each.detected else 0.0)
    return next(_away_when_born(nearest, ranked), nearest)


def _away_when_born(younger: Track, others: Sequence[Track]) -> Iterator[Track]:
    """Yield the objects that were out of sight when this one began."""
    for each in others:
        if each.away >= 0 and each.age - each.away >= younger.age and each.id < younger.id:
            yield each
