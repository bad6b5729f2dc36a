"""Figures of tracks, from made-up answers to a made-up scene."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.replay.bag.truth import TrueObject, Truth
from sam3_ros.replay.client.answered_frame import AnsweredFrame, FoundSegment
from sam3_ros.replay.client.track_statistics import TrackStatistics
from sam3_ros.replay.report.tracks import TrackReport

SIDE, SIZE = 100, 20
OBJECTS = {1: TrueObject("red", "cube"), 2: TrueObject("red", "ball")}
#: Left and top edge of each object where it stands.
PLACES = {1: (10, 10), 2: (60, 60)}
SHOWN = TrackState.CONFIRMED


def true_labels(seen: dict[int, float]) -> np.ndarray:
    """Return labels in which a part of each object's width is seen."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for number, part in seen.items():
        x, y = PLACES[number]
        labels[y : y + SIZE, x : x + round(SIZE * part)] = number
    return labels


def found(track_id: int, number: int, unseen: int = 0, part: float = 1.0) -> FoundSegment:
    """Return a segment of the prompt "red" with an id, on an object."""
    x, y = PLACES[number]
    box = (float(x), float(y), x + SIZE * part, y + float(SIZE))
    state = TrackState.OCCLUDED if unseen else SHOWN
    track = TrackStatus(track_id, state, 5, unseen)
    return FoundSegment("red", 1, track_id, "red", 0.0 if unseen else 0.9, box, track)


def report(
    *frames: tuple[dict[int, float], list[FoundSegment]],
    truth: bool = True,
    loops: int = 1,
    asked: frozenset[str] = frozenset(["red"]),
) -> TrackReport:
    """Return the figures of frames: what is truly seen, and what was answered."""
    labels = {number: true_labels(seen) for number, (seen, _) in enumerate(frames)}
    statistics = TrackStatistics(Truth(labels, OBJECTS) if truth else None, "front")
    for number, (_, answered) in enumerate(frames):
        each, loop = len(frames) // loops, number // (len(frames) // loops)
        assert each * loops == len(frames)
        frame = AnsweredFrame(
            number,
            0.0,
            np.zeros((SIDE, SIDE), np.uint8),
            [segment for segment in answered if segment.is_seen],
            [segment for segment in answered if not segment.is_seen],
            loop=loop,
        )
        statistics.answered(frame, asked)
    (one,) = statistics.reports({"red": ("text", "red")})
    return one


BOTH = {1: 1.0, 2: 1.0}
STEADY = (BOTH, [found(1, 1), found(2, 2)])


def test_objects_that_keep_their_ids():
    one = report(STEADY, STEADY, STEADY)
    assert (one.camera, one.kind, one.asked, one.ids) == ("front", "text", "red", (1, 2))
    assert (one.most_ids, one.seen, one.hidden) == (2, 6, 0)
    assert (one.id_switches, one.moved, one.fragments, one.lost_in_view) == (0, 0, 0, 0)
    assert (one.returns, one.found_again) == (0, 0)


def test_an_id_that_changes_is_a_switch():
    one = report(STEADY, (BOTH, [found(3, 1), found(2, 2)]), (BOTH, [found(3, 1), found(2, 2)]))
    assert (one.ids, one.id_switches, one.moved) == ((1, 2, 3), 1, 0)


def test_two_that_exchange_their_ids_are_two_switches():
    one = report(STEADY, (BOTH, [found(2, 1), found(1, 2)]))
    assert (one.ids, one.id_switches, one.moved) == ((1, 2), 2, 2)


def test_an_id_that_goes_to_another_object_has_moved():
    one = report((BOTH, [found(1, 1)]), (BOTH, [found(1, 2)]))
    assert (one.id_switches, one.moved, one.lost_in_view) == (0, 1, 1)


@pytest.mark.parametrize(("id_after", "again", "switches"), [(1, 1, 0), (7, 0, 1)])
def test_what_comes_back_is_found_again_by_its_id(id_after, again, switches):
    gone = ({2: 1.0}, [found(2, 2), found(1, 1, unseen=1)])
    back = (BOTH, [found(2, 2), found(id_after, 1)])
    one = report(STEADY, gone, gone, back)
    assert (one.returns, one.found_again, one.id_switches) == (1, again, switches)
    assert (one.hidden, one.fragments, one.lost_in_view) == (2, 0, 0)


def test_what_comes_back_and_is_not_found_counts_as_lost():
    gone = ({2: 1.0}, [found(2, 2)])
    missed = (BOTH, [found(2, 2)])
    one = report(STEADY, gone, missed, missed)
    assert (one.returns, one.found_again, one.lost_in_view) == (1, 0, 2)
    late = report(STEADY, gone, missed, STEADY)
    assert (late.returns, late.found_again, late.lost_in_view, late.fragments) == (1, 1, 1, 0)


def test_an_object_that_is_covered_slowly_is_not_expected_until_half_of_it_is_back():
    def partly(part: float, *others: FoundSegment):
        return {1: part, 2: 1.0}, [found(2, 2), *others]

    one = report(
        STEADY,
        partly(0.5, found(1, 1, part=0.5)),
        partly(0.0, found(1, 1, unseen=1)),
        partly(0.3, found(1, 1, unseen=2)),
        STEADY,
    )
    assert (one.returns, one.found_again, one.lost_in_view) == (1, 1, 0)


def test_a_gap_in_view_is_a_fragment():
    one = report(STEADY, (BOTH, [found(2, 2)]), STEADY)
    assert (one.fragments, one.lost_in_view, one.id_switches, one.returns) == (1, 1, 0, 0)


def test_a_prompt_that_is_not_asked_any_more_has_lost_nothing():
    one = report(STEADY, (BOTH, []), (BOTH, []), asked=frozenset())
    assert one.lost_in_view == 0
    assert report(STEADY, (BOTH, []), (BOTH, [])).lost_in_view == 4


def test_a_segment_on_no_object_is_matched_with_none():
    off = FoundSegment("red", 1, 9, "red", 0.9, (0, 80, 20, 100), TrackStatus(9, SHOWN, 0, 0))
    one = report((BOTH, [found(1, 1), off]), (BOTH, [found(1, 1), off]))
    assert (one.ids, one.id_switches, one.seen) == ((1, 9), 0, 4)


def test_each_loop_begins_with_ids_of_its_own():
    again = (BOTH, [found(3, 1), found(4, 2)])
    one = report(STEADY, STEADY, again, again, loops=2)
    assert (one.ids, one.most_ids, one.id_switches) == ((1, 2, 3, 4), 2, 0)


def test_without_ground_truth_the_nodes_own_states_are_counted():
    hidden = (BOTH, [found(2, 2), found(1, 1, unseen=1)])
    one = report(STEADY, hidden, STEADY, truth=False)
    assert (one.seen, one.hidden, one.returns, one.found_again) == (5, 1, 1, 1)
    assert (one.id_switches, one.moved, one.fragments, one.lost_in_view) == (None,) * 4


def test_prompts_without_tracks_have_no_figures():
    statistics = TrackStatistics(None)
    plain = FoundSegment("red", 1, 1, "red", 0.9, (0, 0, 5, 5))
    statistics.answered(AnsweredFrame(0, 0.0, np.zeros((9, 9), np.uint8), [plain]), {"red"})
    assert statistics.reports({}) == ()
