"""Two objects are not in one place: which of them has come there, and is not believed.

Each object is looked for alone, so a model may find another one in place of one that left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.track import Track

#: The ids of two objects, the smaller one first.
Pair = tuple[int, int]


def together_before(
    tracks: Mapping[int, Track], known: frozenset[Pair], least: float
) -> frozenset[Pair]:
    """Return which objects were in one place when both were seen last.

    Such are one thing that was asked for twice, and may share a place ever after. tracks: before
    this image, by id. known: the same before the last image. least: IoU from which on a place is
    one.
    """
    seen = {number for number, track in tracks.items() if not track.frames_unseen}
    kept = {pair for pair in known if set(pair) <= tracks.keys() and not set(pair) <= seen}
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

    tracks: before this image, by id. places: where they are found in it. In the image after it was
    shown an object may be anywhere: what shows it may be a picture of before.
    """
    there = {number: place for number, place in places.items() if not _just_shown(tracks[number])}
    for pair in combinations(sorted(there), 2):
        if pair in together or not set(pair) <= there.keys():
            continue
        one, other = pair
        if there[one].iou(there[other]) < least:
            continue
        came, stays = sorted(pair, key=lambda number: _stayed(tracks[number], there[number]))
        del there[came]
        yield came, stays


def _just_shown(track: Track) -> bool:
    return track.renewed == track.age


def _stayed(track: Track, place: Place) -> tuple[int, float]:
    """Return how sure it is that this is its place: what was seen in the last image before what was
    not, and then what moved as it did before."""
    expected = track.place.moved(track.step)
    overlaps = [each.iou(place) for each in (track.place, expected) if each is not None]
    return -track.frames_unseen, max(overlaps)
