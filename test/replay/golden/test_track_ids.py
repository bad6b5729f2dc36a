"""Ids are judged: an id that changes fails, another number alone does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from golden_scenes import BLUE, RED, answer, failures, golden

from sam3_ros.replay.golden.checks import check_replay
from sam3_ros.replay.golden.expectation import Judging, Limits, Tolerance
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames
from sam3_ros.replay.golden.judge import FrameRecord, GoldenJudge
from sam3_ros.replay.report.report import CameraResult, FrameAccount, ReplayReport
from sam3_ros.replay.report.tracks import TrackReport

TWO = ("red", 20, 20, 1)
AS_IT_IS = Tolerance()
TRACKS = TrackReport("", "red", "text", "red", (1, 2), 2, 8, 3, 1, 1, 0, 0, 0, 0)


def seen(number: int, *ids: int):
    """Return the answer to an image in which two objects of a prompt have ids."""
    return answer(RED, TWO, number=number, ids=ids)


@pytest.fixture
def kept(tmp_path) -> GoldenFrames:
    return golden(tmp_path / "kept", *(seen(number, 1, 2) for number in range(4)))


def wrong(kept, *answers, tolerance=AS_IT_IS, tracks=()):
    judge = GoldenJudge(kept, Judging(prompts={"red": tolerance}), lambda _camera, _stamp: True)
    for one in answers:
        judge.answered(one)
    return failures(judge.verdicts({}, tracks)).get("red", "")


def test_the_same_ids_pass_and_are_kept(kept):
    assert wrong(kept, *(seen(number, 1, 2) for number in range(4))) == ""
    back = kept.frame(min(kept.keys))
    assert [(s.track.id, s.track.state.value, s.track.age) for s in back.segments] == [
        (1, "confirmed", 4),
        (2, "confirmed", 4),
    ]


def test_other_numbers_pass(kept):
    assert wrong(kept, *(seen(number, 7, 3) for number in range(4))) == ""


def test_an_id_that_changes_fails_once(kept):
    told = wrong(kept, seen(0, 1, 2), seen(1, 1, 2), seen(2, 1, 5), seen(3, 1, 5))
    assert "an object's id changes from #2 to #5 at 1700000000.000000002" in told
    assert "where golden's stays #2" in told
    assert "more" not in told


def test_ids_that_are_exchanged_fail(kept):
    told = wrong(kept, seen(0, 1, 2), seen(1, 2, 1), seen(2, 2, 1), seen(3, 2, 1))
    assert "changes from #1 to #2" in told


def test_an_id_for_two_objects_fails(tmp_path):
    golden_frames = golden(tmp_path / "kept", answer(RED, ids=[1]), answer(TWO, number=1, ids=[2]))
    told = wrong(golden_frames, answer(RED, ids=[1]), answer(TWO, number=1, ids=[1]))
    assert "the id #1 goes to another object" in told


def test_a_golden_id_that_changes_fails_too(tmp_path):
    changing = golden(tmp_path / "kept", seen(0, 1, 2), seen(1, 1, 3))
    assert "goes to another object" in wrong(changing, seen(0, 1, 2), seen(1, 1, 2))


def test_an_object_that_is_not_tracked_any_more_fails(kept):
    assert "an object has no id" in wrong(kept, *(answer(RED, TWO, number=n) for n in range(4)))


def test_golden_frames_without_ids_ask_for_none(tmp_path):
    old = golden(tmp_path / "kept", answer(RED, TWO))
    assert wrong(old, seen(0, 1, 2)) == ""


def test_ids_need_not_be_judged(kept):
    tolerance = Tolerance(track_ids=False)
    assert wrong(kept, seen(0, 1, 2), seen(1, 4, 5), tolerance=tolerance) == ""


@pytest.mark.parametrize(
    ("tolerance", "tracks", "told"),
    [
        (Tolerance(most_ids=2, id_switches=0, found_again=1), TRACKS, ""),
        (Tolerance(most_ids=1), TRACKS, "2 ids in a loop, expected 1 or fewer; all: #1, #2"),
        (
            Tolerance(id_switches=0),
            replace(TRACKS, id_switches=3),
            "3 objects got another id, expected 0",
        ),
        (
            Tolerance(id_switches=0),
            replace(TRACKS, id_switches=None),
            "no ground truth to see by",
        ),
        (
            Tolerance(found_again=1),
            replace(TRACKS, found_again=0),
            "found again with its id 0 times of 1, expected 1",
        ),
        (Tolerance(most_ids=1), replace(TRACKS, prompt_id="blue"), "its objects have no ids"),
        (Tolerance(found_again=0), replace(TRACKS, camera="side"), "its objects have no ids"),
    ],
)
def test_what_is_said_of_a_prompts_objects_is_held(kept, tolerance, tracks, told):
    found = wrong(kept, seen(0, 1, 2), tolerance=tolerance, tracks=[tracks])
    assert (told in found) if told else found == ""


def ids_check(limits: Limits, *tracks: TrackReport) -> list[tuple[str, str]]:
    camera = CameraResult("", FrameAccount(2, 2, {}, 0, 0, 0), None)
    report = ReplayReport("bag", "/node", 1.0, (camera,), None, (), True, tracks=tracks)
    found = check_replay(report, FrameRecord(judged=2), (), limits)
    return [(check.figures, "; ".join(check.failures)) for check in found if check.name == "ids"]


def test_switches_of_the_whole_replay_have_a_limit():
    other = replace(TRACKS, prompt_id="blue", id_switches=2)
    figures = "4 ids, 2 switches, 2 of 2 found again"
    assert ids_check(Limits(), TRACKS, other) == [(figures, "")]
    assert ids_check(Limits(id_switches=2), TRACKS, other) == [(figures, "")]
    ((_, told),) = ids_check(Limits(id_switches=1), TRACKS, other)
    assert told == "2 objects got another id, expected 1 or fewer"


def test_a_limit_of_switches_needs_tracks_and_ground_truth():
    assert ids_check(Limits()) == []
    assert ids_check(Limits(id_switches=0))[0][1] == "nothing is tracked"
    assert (
        "no ground truth"
        in ids_check(Limits(id_switches=0), replace(TRACKS, id_switches=None))[0][1]
    )


def test_a_damaged_id_is_reported(kept):
    index = kept.folder / "golden.json"
    index.write_text(index.read_text().replace('"confirmed"', '"asleep"', 1))
    with pytest.raises(GoldenError, match="damaged"):
        GoldenFrames(kept.folder)


def test_other_prompts_are_not_held_to_it(tmp_path):
    both = golden(
        tmp_path / "both", answer(RED, BLUE, ids=[1, 2]), answer(RED, BLUE, number=1, ids=[1, 2])
    )
    judge = GoldenJudge(both, Judging(), lambda _camera, _stamp: True)
    judge.answered(answer(RED, BLUE, ids=[1, 2]))
    judge.answered(answer(RED, BLUE, number=1, ids=[1, 3]))
    assert list(failures(judge.verdicts({}))) == ["blue"]
