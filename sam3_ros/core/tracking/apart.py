"""Two objects are not in one place: which of them has come there, and is not believed.

Each object is looked for alone, so a model may find another one in place of one that left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.track import Track

#: The ids of two objects, the smaller one first.
Pair = tuple[int, int]


def together_before(
    tracks: Mapping[int, Track], known: frozenset[Pair], alive: Collection[int], least: float
) -> frozenset[Pair]:
    """Return which objects were in one place when both were seen last.

    Such are one thing that was asked for twice, and may share a place ever after. tracks: those
    that this image has not answered yet, by id. known: the same before the last image. alive: ids
    of all objects. least: IoU from which on a place is one.
    """
    seen = {number for number, track in tracks.items() if not track.frames_unseen}
    kept = {pair for pair in known if set(pair) <= set(alive) and not set(pair) <= seen}
    shared = {
        (one, other)
        for one, other in combinations(sorted(seen), 2)
        if tracks[one].place.iou(tracks[other].place) >= least
    }
    return frozenset(kept | shared)


def strays(
    tracks: Mapping[int, Track],
    places: Mapping[int, Place],
    together: frozenset[Pair],
    least: float,
) -> Iterator[Pair]:
    """Yield each object that came to the place of another, and that other one.

    tracks: before this image, by id. places: where they are found in it. The surest are taken
    first, so none is doubted for one that is not believed itself.
    """
    believed: list[int] = []
    surest = sorted(places, key=lambda each: (_stayed(tracks[each], places[each]), -each))
    for number in reversed(surest):
        others = [
            other
            for other in believed
            if places[number].iou(places[other]) >= least
            and (min(number, other), max(number, other)) not in together
            and not _may_be_where(tracks[number], tracks[other])
        ]
        if others:
            yield number, others[0]
        else:
            believed.append(number)


def _may_be_where(one: Track, other: Track) -> bool:
    """Return whether one object may be in the place of another.

    After it was shown it may be anywhere: what shows it may be a picture of before. And what began
    while it was out of sight may be the same thing, which a text found or a person clicked anew.
    """
    began_meanwhile = one.frames_unseen > 0 and other.age <= one.age - one.away
    return one.renewed == one.age or began_meanwhile


def _stayed(track: Track, place: Place) -> tuple[int, float]:
    """Return how sure it is that this is its place: what was seen in the last image before what was
    not, and then what moved as it did before."""
    expected = track.place.moved(track.step)
    overlaps = [each.iou(place) for each in (track.place, expected) if each is not None]
    return -track.frames_unseen, max(overlaps)
