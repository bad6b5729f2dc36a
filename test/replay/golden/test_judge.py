"""Faults of an answer are reported, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from golden_scenes import BLUE, RED, answer, failures, frame, golden

from sam3_ros.replay.golden.checks import check_replay
from sam3_ros.replay.golden.comparison import box_iou, compare_frames
from sam3_ros.replay.golden.expectation import Judging, Limits, Tolerance
from sam3_ros.replay.golden.frames import GoldenError
from sam3_ros.replay.golden.judge import GoldenJudge
from sam3_ros.replay.report.places import PlaceReport
from sam3_ros.replay.report.report import CameraResult, FrameAccount, Latency, ReplayReport


@pytest.fixture
def kept(tmp_path):
    return golden(tmp_path / "kept", answer(RED, BLUE), answer(RED, BLUE, number=1))


AS_IT_IS, WITHOUT_LIMITS = Judging(), Limits()
LATENCY = Latency(20.0, 40.0)


def of_all(_camera, _stamp_ns):
    return True


def judged(kept, *answers, judging=AS_IT_IS, selected=of_all, worst=3):
    judge = GoldenJudge(kept, judging, selected, worst)
    for one in answers:
        judge.answered(one)
    return judge


def verdicts(kept, *answers, **settings):
    return judged(kept, *answers, **settings).verdicts({})


def checks(judge, limits=WITHOUT_LIMITS, frames=None, latency=LATENCY, **others):
    camera = CameraResult("", frames or FrameAccount(2, 2, {}, 0, 0, 0), latency, **others)
    report = ReplayReport("bag", "/node", 1.0, (camera,), latency, prompts=(), has_truth=False)
    return check_replay(report, judge.frames, judge.missing, limits)


def test_the_same_answers_pass(kept):
    judge = judged(kept, answer(RED, BLUE), answer(RED, BLUE, number=1))
    found = judge.verdicts({"": ("red", "blue", "green")})
    assert [(v.prompt_id, v.frames, v.mean_iou) for v in found] == [
        ("red", 2, 1.0),
        ("blue", 2, 1.0),
        ("green", 0, None),
    ]
    assert failures((*found, *checks(judge))) == {}


def test_a_shifted_mask_fails_with_its_iou(kept):
    shifted = answer(("red", 4, 2, 1), BLUE)
    judge = judged(kept, shifted, answer(RED, BLUE, number=1))
    wrong = failures(judge.verdicts({}))
    assert list(wrong) == ["red"]
    # 2 of 20 columns move; the corner that blue covers is golden's and got's alike.
    assert "IoU 0.8" in wrong["red"]
    assert "at 1700000000.000000000, expected 0.95 or more; 1 of 2 frames" in wrong["red"]
    assert [f.comparison.prompt_id for f in judge.worst[:1]] == ["red"]


def test_a_mask_that_is_not_there_is_an_iou_of_zero_and_a_missing_segment(kept):
    wrong = failures(verdicts(kept, answer(RED)))
    assert set(wrong) == {"blue"}
    assert "IoU 0.000" in wrong["blue"]
    assert "1 missing segments" in wrong["blue"]


def test_something_more_is_an_iou_of_zero_and_an_extra_segment(kept):
    wrong = failures(verdicts(kept, answer(RED, BLUE, ("green", 0, 30, 3))))
    assert set(wrong) == {"green"}
    assert "1 extra segments" in wrong["green"]


def test_swapped_prompts_fail_both(kept):
    wrong = failures(verdicts(kept, answer(("blue", 2, 2, 1), ("red", 20, 20, 2))))
    assert set(wrong) == {"red", "blue"}
    assert "label value 2 instead of 1" in wrong["red"]


def test_another_label_value_fails_though_the_mask_is_right(kept):
    swapped = answer(("red", 2, 2, 2), ("blue", 20, 20, 1))
    wrong = failures(verdicts(kept, swapped))
    assert wrong["red"].startswith("label value 2 instead of 1")
    assert (
        failures(verdicts(kept, swapped, judging=Judging(tolerance=Tolerance(label_values=False))))
        == {}
    )


def test_a_score_that_differs_fails(kept):
    wrong = failures(verdicts(kept, answer(RED, BLUE, score=0.8)))
    assert set(wrong) == {"red", "blue"}
    assert "differs by 0.100" in wrong["red"]


def test_a_tolerance_for_one_prompt_applies_to_that_prompt_only(kept):
    lenient = Tolerance(least_iou=0.5)
    shifted = answer(("red", 4, 2, 1), ("blue", 18, 20, 2))
    wrong = failures(verdicts(kept, shifted, judging=Judging(prompts={"red": lenient})))
    assert set(wrong) == {"blue"}


def test_a_label_image_of_another_size_has_an_iou_of_zero():
    one = frame(RED)
    other = replace(one, labels=np.zeros((8, 8), np.uint8))
    assert [c.iou for c in compare_frames(one, other)] == [0.0]


def test_two_segments_of_a_prompt_are_matched_by_their_boxes(tmp_path):
    two = answer(RED, ("red", 20, 20, 1))
    kept = golden(tmp_path / "kept", two)
    turned = replace(two, segments=two.segments[::-1])
    assert failures(verdicts(kept, turned)) == {}
    assert box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0


def test_frames_that_are_missing_or_extra_fail(kept):
    judge = judged(kept, answer(RED, BLUE), answer(RED, number=7))
    (wrong,) = failures(checks(judge)).values()
    assert "1 golden frames have no answer, first 1700000000.000000001" in wrong
    assert "1 answers are not in golden, first 1700000000.000000007" in wrong
    assert failures(checks(judge, Limits(missing_frames=1, extra_frames=1))) == {}


def test_frames_that_are_not_selected_are_not_judged(kept):
    judge = judged(
        kept,
        answer(RED, BLUE),
        answer(RED, BLUE, number=1),
        answer(BLUE, number=2),
        selected=lambda _camera, stamp_ns: stamp_ns % 10 != 2,
    )
    assert failures((*judge.verdicts({}), *checks(judge))) == {}
    assert judge.frames.judged == 2


def test_frames_around_a_change_of_prompts_are_not_judged(kept):
    judge = judged(kept, answer(RED, certain=False), answer(RED, BLUE, number=1))
    told = checks(judge)
    assert failures(told) == {}
    assert "1 not judged around a change of prompts" in told[0].figures


def test_a_replay_without_a_judged_frame_fails(kept):
    judge = judged(kept, answer(RED, certain=False), answer(RED, number=1, certain=False))
    assert "no frame could be judged" in failures(checks(judge))["frames"]


def test_a_wrong_frame_id_fails(kept):
    judge = judged(kept, answer(RED, BLUE, frame_id="elsewhere"), answer(RED, BLUE, number=1))
    wrong = failures(checks(judge))
    assert list(wrong) == ["stamps"]
    assert "'elsewhere' instead of 'camera_optical_frame'" in wrong["stamps"]


def test_headers_that_are_not_their_images_fail(kept):
    judge = judged(kept, answer(RED, BLUE, has_its_header=False), answer(RED, BLUE, number=1))
    assert "stamps" in failures(checks(judge))
    judge = judged(kept, answer(RED, BLUE), answer(RED, BLUE, number=1))
    for count in ("stray_masks", "wrong_frame_ids", "missing_scores"):
        assert list(failures(checks(judge, **{count: 1}))) == ["stamps"]


def test_the_account_drops_and_latency_are_held_to_their_limits(kept):
    judge = judged(kept, answer(RED, BLUE), answer(RED, BLUE, number=1))
    unknown = FrameAccount(3, 2, {}, 0, 0, 1)
    assert list(failures(checks(judge, frames=unknown))) == ["account"]
    lossy = FrameAccount(8, 2, {"superseded": 3, "undecodable": 1}, 1, 1, 0)
    assert failures(checks(judge, frames=lossy)) == {}
    limits = Limits(dropped={"superseded": 2, "undecodable": 1}, lost=1)
    wrong = failures(checks(judge, limits, frames=lossy))
    assert wrong == {
        "account": "2 frames were lost on their way, expected 1 or fewer",
        "drops": "3 frames dropped as superseded, expected 2 or fewer",
    }
    wrong = failures(checks(judge, Limits(latency_p50_ms=20, latency_p95_ms=30)))
    assert wrong == {"latency": "p95 40.0 ms, expected 30 ms or less"}
    assert "no answer" in failures(checks(judge, Limits(latency_p95_ms=1), latency=None))["latency"]


def test_label_images_of_sixteen_bits_are_refused(kept):
    wide = answer(RED)
    with pytest.raises(GoldenError, match="mask_encoding"):
        judged(kept, replace(wide, labels=wide.labels.astype(np.uint16)))


def place(off_m, **others):
    return PlaceReport("", "red", "red cube", found=1, errors_m=(off_m,), worst="17.5", **others)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ((place(0.01), place(0.02)), ""),
        ((place(0.01), place(0.051)), "the centre of the red cube is off by 0.0510 m at 17.5"),
        ((), "no place was found that could be compared"),
    ],
)
def test_a_prompt_is_held_to_metres(kept, places, told):
    strict = Judging(prompts={"red": Tolerance(centre_m=0.05)})
    judge = judged(kept, answer(RED, BLUE), answer(RED, BLUE, number=1), judging=strict)
    wrong = failures(judge.verdicts({}, places=places))
    assert list(wrong) == (["red"] if told else [])
    assert told in wrong.get("red", "")
