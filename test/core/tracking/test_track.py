"""The states of one object, without images: what each sighting and detection makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scenes import patch_mask
from scripted_tracking import SIZE, Thing, segment

from sam3_ros.core.segmenter.segments import TrackState
from sam3_ros.core.tracking.follower import Sighting
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.core.tracking.track import Looked, Track

SEEN = Sighting(segment(patch_mask(*SIZE, (20, 20, 40, 40))), Thing("it"))
HIDDEN = Sighting(None, Thing("it"), "hidden")
GIVEN_UP = Sighting(None, None, "given up", gone=True)
SHORT = TrackingSettings(occluded_frames=2, lost_frames=4, find_within=3)
FOUND, MISSED, SHARED = Looked(0.9), Looked(None), Looked(None, same_as=3)
Image = tuple[Sighting, Looked | None]


def born(*, of_text: bool, confirmed: bool) -> Track:
    return Track.born(7, "red", "red", SEEN, 0.8, detectable=of_text, confirmed=confirmed)


def text() -> Track:
    return born(of_text=True, confirmed=False)


def confirmed_text() -> Track:
    return born(of_text=True, confirmed=True)


def click() -> Track:
    return born(of_text=False, confirmed=True)


def through(track: Track, images: list[Image]) -> tuple[list[str], list[str]]:
    """Return the states after each image, and what happened."""
    states, events = [], []
    for sighting, looked in images:
        track, happened = track.after(sighting, looked, SHORT)
        states.append(track.state.value)
        events += [f"{event.kind} {event.frames_unseen}" for event in happened]
        assert all(event.state is track.state for event in happened)
    return states, events


@pytest.mark.parametrize(
    ("track", "images", "states", "events"),
    [
        pytest.param(
            text(),
            [(SEEN, None), (SEEN, FOUND), (SEEN, MISSED), (SEEN, MISSED), (SEEN, MISSED)],
            ["tentative", "confirmed", "confirmed", "confirmed", "confirmed"],
            ["confirmed 0"],
            id="a text is confirmed by being detected again, and then kept",
        ),
        pytest.param(
            text(),
            [(SEEN, MISSED), (SEEN, None), (SEEN, MISSED)],
            ["tentative", "tentative", "ended"],
            ["ended 0"],
            id="a text is not detected again",
        ),
        pytest.param(
            text(),
            [(SEEN, MISSED), (SEEN, FOUND), (SEEN, MISSED)],
            ["tentative", "confirmed", "confirmed"],
            ["confirmed 0"],
            id="one miss is forgiven",
        ),
        pytest.param(
            text(),
            [(HIDDEN, None), (HIDDEN, MISSED), (SEEN, FOUND)],
            ["tentative", "tentative", "confirmed"],
            ["confirmed 0"],
            id="a tentative one may be hidden for a moment",
        ),
        pytest.param(
            click(),
            [(HIDDEN, None), (SEEN, None), (HIDDEN, None), (HIDDEN, None), (SEEN, None)],
            ["occluded", "confirmed", "occluded", "occluded", "confirmed"],
            ["occluded 1", "found 1", "occluded 1", "found 2"],
            id="hidden and seen again",
        ),
        pytest.param(
            click(),
            [(HIDDEN, None)] * 3 + [(SEEN, None)] + [(HIDDEN, None)] * 5,
            [
                "occluded",
                "occluded",
                "lost",
                "confirmed",
                "occluded",
                "occluded",
                "lost",
                "lost",
                "ended",
            ],
            ["occluded 1", "lost 3", "found 3", "occluded 1", "lost 3", "ended 5"],
            id="hidden for long is lost, then ended",
        ),
        pytest.param(
            click(), [(GIVEN_UP, None)], ["ended"], ["ended 1"], id="a click that is given up"
        ),
        pytest.param(
            confirmed_text(),
            [(GIVEN_UP, MISSED), (GIVEN_UP, None), (SEEN, FOUND)],
            ["occluded", "occluded", "confirmed"],
            ["occluded 1", "found 2"],
            id="a text that is given up, and detected again",
        ),
        pytest.param(
            confirmed_text(),
            [(GIVEN_UP, None)] * 4,
            ["occluded", "occluded", "lost", "ended"],
            ["occluded 1", "lost 3", "ended 4"],
            id="a text that is given up, and not detected again",
        ),
        pytest.param(
            confirmed_text(),
            [(SEEN, SHARED), (SEEN, None), (SEEN, FOUND), (SEEN, SHARED), (SEEN, SHARED)],
            ["confirmed"] * 4 + ["ended"],
            ["ended 0"],
            id="two on one object, in two detections in a row",
        ),
    ],
)
def test_states(track: Track, images: list[Image], states: list[str], events: list[str]) -> None:
    assert through(track, images) == (states, events)


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([(SEEN, MISSED)] * 2, "it was not detected again in 2 detections"),
        ([(SEEN, SHARED)] * 2, "it covers the same as object 3 in 2 detections"),
        ([(HIDDEN, FOUND)] + [(HIDDEN, None)] * 4, "not seen in 4 images"),
        (
            [(GIVEN_UP, FOUND)] + [(GIVEN_UP, None)] * 3,
            "not detected near where it was within 3 images",
        ),
    ],
)
def test_an_end_has_its_reason(images: list[Image], reason: str) -> None:
    track = text()
    for sighting, looked in images:
        track, events = track.after(sighting, looked, SHORT)
    assert (track.state, [event.reason for event in events]) == (TrackState.ENDED, [reason])


def test_age_and_score() -> None:
    track = text()
    assert (track.status.age, track.status.frames_unseen, track.score) == (0, 0, 0.8)
    track, _ = track.after(SEEN, None, SHORT)
    assert (track.age, track.score) == (1, 0.8)  # of a text: that of its last detection
    track, _ = track.after(HIDDEN, None, SHORT)
    assert (track.age, track.frames_unseen) == (2, 1)
    track, _ = track.after(SEEN, FOUND, SHORT)
    assert (track.age, track.frames_unseen, track.score) == (3, 0, 0.9)
    clicked, _ = replace(click(), score=0.1).after(SEEN, None, SHORT)
    assert clicked.score == 0.9  # the estimate of its mask's IoU


def test_a_correction_confirms_and_counts_no_image_twice() -> None:
    track, _ = text().after(HIDDEN, None, SHORT)
    same, events = track.corrected(SEEN, age=track.age)
    assert (same.state, same.age, same.frames_unseen) == (TrackState.CONFIRMED, 1, 0)
    assert [event.kind for event in events] == ["confirmed"]
    later, _ = same.corrected(SEEN, age=2)
    assert (later.state, later.age, later.frames_unseen) == (TrackState.CONFIRMED, 2, 0)
