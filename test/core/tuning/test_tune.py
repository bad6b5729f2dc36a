"""Times, choices, judgement: the fastest choice is taken only where it answers as fp32 does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from precision_bundles import with_precision
from recording_sessions import Recorder

from sam3_ros.core.backends import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import ImageError
from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.precision.guard import PrecisionVerdict
from sam3_ros.core.precision.limits import limits_of
from sam3_ros.core.precision.questions import questions_of, reference_answers
from sam3_ros.core.precision.recording import record_into
from sam3_ros.core.profile.profile_yaml import dump_profile, parse_profile
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import Session, SessionOptions
from sam3_ros.core.tuning import times as stage_times
from sam3_ros.core.tuning.search import PlanJudge, find_plan, worth_trying
from sam3_ros.core.tuning.times import CandidateTime, StageTimer
from sam3_ros.core.tuning.tune import TuneSettings, Tuning

FP32, BF16 = StageChoice("openvino"), StageChoice("openvino", "bf16")
TWO_THREADS = SessionOptions(threads=2)


def timed(stage: str, choice: StageChoice, usual: float, gain: float) -> CandidateTime:
    return CandidateTime(stage, choice, usual / gain, gain)


def of_stage(stage: str, usual: float, **gains: float) -> list[CandidateTime]:
    choices = {"fp32": FP32, "bf16": BF16}
    found = [timed(stage, choices[name], usual, gain) for name, gain in gains.items()]
    return [timed(stage, REFERENCE, usual, 1.0), *found]


TIMES = [
    *of_stage("trunk", 100.0, fp32=1.25, bf16=2.5),
    *of_stage("neck", 400.0, fp32=1.1, bf16=2.0),
    *of_stage("text", 10.0, fp32=1.02, bf16=2.0),
    *of_stage("scoring", 0.5, fp32=2.0),
]


class JudgeOf:
    """Refuses plans that run a stage by one of the given choices."""

    def __init__(self, *wrong: tuple[str, StageChoice]) -> None:
        self.wrong = wrong
        self.asked: list[StagePlan] = []

    def __call__(self, plan: StagePlan) -> PrecisionVerdict:
        self.asked.append(plan)
        found = [stage for stage, choice in self.wrong if plan.of(stage) == choice]
        broken = f"{found[0]} is wrong" if found else None
        return PrecisionVerdict(
            plan, AnswerDifference(), limits_of(BF16), (), 0.0, broken, tuple(found)
        )


def silent(_: str) -> None:
    pass


def test_the_fastest_of_every_stage_is_judged_at_once() -> None:
    judge = JudgeOf()
    found = find_plan(TIMES, 1.05, judge, silent)

    assert found.plan.stages == {"trunk": BF16, "neck": BF16, "text": BF16}
    assert found.verdict is not None
    assert len(judge.asked) == 1


def test_a_stage_that_fails_takes_its_next_best_choice_and_keeps_the_others() -> None:
    said: list[str] = []
    found = find_plan(TIMES, 1.05, JudgeOf(("trunk", BF16)), said.append)

    assert found.plan.stages == {"neck": BF16, "trunk": FP32, "text": BF16}
    ((candidate, reason),) = found.refused
    assert (candidate.stage, candidate.choice, reason) == ("trunk", BF16, "trunk is wrong")
    assert "judging trunk on openvino bf16" in said


def test_stages_that_fail_by_every_choice_stay_in_fp32_on_the_cpu() -> None:
    judge = JudgeOf(("neck", BF16), ("neck", FP32), ("text", BF16))
    found = find_plan(TIMES, 1.05, judge, silent)

    assert found.plan.stages == {"trunk": BF16}
    assert found.plan.of("neck") == REFERENCE
    assert len(found.refused) == 3


def test_the_plan_that_is_found_has_been_judged_itself() -> None:
    judge = JudgeOf(("trunk", BF16))
    found = find_plan(TIMES, 1.05, judge, silent)

    assert found.verdict is not None
    assert found.verdict.plan == found.plan
    assert found.plan in judge.asked


def test_one_candidate_is_judged_once() -> None:
    judge = JudgeOf(("neck", BF16))
    found = find_plan(of_stage("neck", 100.0, bf16=2.0), 1.05, judge, silent)

    assert found.plan == StagePlan()
    assert [reason for _, reason in found.refused] == ["neck is wrong"]
    assert len(judge.asked) == 1


def test_nothing_that_gains_too_little_is_judged() -> None:
    judge = JudgeOf()
    found = find_plan(TIMES, 3.0, judge, silent)

    assert found.plan == StagePlan()
    assert found.verdict is None
    assert judge.asked == []
    assert [(each.stage, each.choice) for each in worth_trying(TIMES, 1.05)] == [
        ("neck", BF16),
        ("trunk", BF16),
        ("neck", FP32),
        ("trunk", FP32),
        ("text", BF16),
    ]  # scoring saves a thousandth of the whole


def feeds_of(bundle: Bundle, stage: str) -> Mapping[str, np.ndarray]:
    recorder = Recorder()
    image = np.full((60, 80, 3), 90, np.uint8)
    with Segmenter.load(bundle, threads=2, open_session=recorder) as segmenter:
        segmenter.segment(image, "red cube")
    return recorder.fed(stage)


def test_a_choice_that_cannot_run_is_reported_and_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage_times, "_SECONDS", 0.0)
    bundle = Bundle.open("tabletop")
    timer = StageTimer(bundle, TWO_THREADS, open_session)
    choices = [FP32, StageChoice("cpu", "int8"), StageChoice("cpu", "bf16"), StageChoice("npu")]
    reference, fp32, *others = timer.measure("fusion", choices, feeds_of(bundle, "fusion"))

    assert (reference.choice, reference.gain) == (REFERENCE, 1.0)
    assert reference.milliseconds is not None
    assert fp32.milliseconds is not None
    assert fp32.milliseconds == pytest.approx(reference.milliseconds / fp32.gain)
    assert [each.milliseconds for each in others] == [None, None, None]
    assert [each.saved for each in others] == [0.0, 0.0, 0.0]
    for each, reason in zip(others, ["'int8'", "bf16", "no backend 'npu'"], strict=True):
        assert reason in each.refused


class Planted:
    """Sessions of which some are slow on the CPU and some wrong on OpenVINO.

    `clock` replaces perf_counter: a run takes one second, a slow one ten.
    """

    def __init__(self, slow: set[str], wrong: set[str]) -> None:
        self._slow = slow
        self._wrong = wrong
        self._now = 0.0

    def clock(self) -> float:
        return self._now

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        wrong = backend == "openvino" and path.stem in self._wrong
        slow = backend == "cpu" and path.stem in self._slow

        def run(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            self._now += 10.0 if slow else 1.0
            return _zeroed(outputs) if wrong else outputs

        return Recorder({path.stem: run})(path, backend, options)


def _zeroed(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.zeros_like(value) for name, value in outputs.items()}


def test_a_profile_takes_what_is_faster_and_accurate_and_reports_the_rest(
    monkeypatch: pytest.MonkeyPatch, sam3_bundle_path: Path
) -> None:
    monkeypatch.setattr(stage_times, "_SECONDS", 0.0)
    bundle = Bundle.open(sam3_bundle_path)
    sessions = Planted({"fusion", "decoder"}, wrong={"decoder"})
    monkeypatch.setattr(stage_times, "perf_counter", sessions.clock)
    settings = TuneSettings(threads=2, least_gain=3.0)
    profile = Tuning(bundle, settings, silent, sessions).run()

    assert profile.choices["fusion"].backend == "openvino"
    assert profile.choices["decoder"] == REFERENCE
    assert set(profile.choices) == set(bundle.manifest.stages_in_use)
    profile.require_fits(bundle)
    assert parse_profile(dump_profile(profile)) == profile

    evidence = profile.evidence
    assert evidence["images"] == ["table", "upright"]
    refused = {
        (entry["stage"], entry["precision"])
        for entry in evidence["candidates"]
        if "refused" in entry and entry["backend"] == "openvino"
    }
    assert ("decoder", "fp32") in refused
    assert evidence["judgement"]["mean_mask_iou"] > 0.9
    for frame in evidence["milliseconds"].values():
        assert set(frame) == {"fp32_on_cpu", "chosen"}
    with Segmenter.load(bundle, threads=2, plan=profile.plan) as segmenter:
        assert segmenter.providers["fusion"].startswith("OpenVINO CPU")
        assert segmenter.providers["decoder"] == "CPUExecutionProvider"


def _part_lost(masks: np.ndarray) -> None:
    """Lose the upper 20 % of the first of all masks, in place."""
    one = masks.reshape(-1, *masks.shape[-2:])[0]
    inside = np.flatnonzero(one > 0)
    one.flat[inside[: int(0.2 * len(inside))]] = -9.0


def _rounded(masks: np.ndarray) -> None:
    """Round all masks to eight binary digits, in place."""
    masks[:] = (masks.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    masks += np.float32(0.001) * np.abs(masks).max()


@pytest.mark.parametrize(
    ("change", "reason"), [(_part_lost, "one of 15 masks has IoU"), (_rounded, None)]
)
def test_a_plan_with_one_bad_mask_is_refused_and_one_with_rounding_is_taken(
    change: Callable[[np.ndarray], None], reason: str | None, tmp_path: Path
) -> None:
    done: list[bool] = []

    def changed(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if change is _part_lost and done:  # one mask of one question
            return outputs
        done.append(True)
        masks = outputs["sam_masks"].copy()
        change(masks)
        return {**outputs, "sam_masks": masks}

    shipped = Bundle.open("tabletop")
    bundle = with_precision(shipped, tmp_path / "half", "fp16", {})
    sessions = Recorder({"mask_decoder": changed})
    half = StageChoice("cpu", "fp16")
    times = of_stage("mask_decoder", 100.0)
    times.append(timed("mask_decoder", half, 100.0, 2.0))
    with PlanJudge(bundle, TWO_THREADS, sessions, [reference_answers(shipped)]) as judge:
        found = find_plan(times, 1.05, judge, silent)

    if reason is None:
        assert found.verdict is not None
        assert found.plan.of("mask_decoder") == half
        assert found.verdict.end_to_end.mask_iou < 1
    else:
        ((_, refused),) = found.refused
        assert reason in refused
        assert found.plan.of("mask_decoder") == REFERENCE


def test_a_picture_of_ones_own_is_judged_by_too(
    monkeypatch: pytest.MonkeyPatch, mobile_sam_bundle_path: Path, tmp_path: Path
) -> None:
    import cv2

    monkeypatch.setattr(stage_times, "_SECONDS", 0.0)
    cv2.imwrite(str(tmp_path / "hall.png"), np.full((50, 70, 3), 120, np.uint8))
    bundle = Bundle.open(mobile_sam_bundle_path)
    settings = TuneSettings(threads=1, least_gain=1000.0)
    profile = Tuning(bundle, settings, silent).run([tmp_path / "hall.png"])

    assert profile.evidence["images"] == ["table", "upright", "hall.png"]
    assert list(profile.evidence["milliseconds"]) == ["click"]
    assert set(profile.choices.values()) == {REFERENCE}
    assert profile.evidence["judgement"] == {}


def test_the_pictures_that_are_judged_by(
    mobile_sam_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is judged where the guard has another picture; so are two pictures of one name."""
    import cv2

    monkeypatch.setattr(stage_times, "_SECONDS", 0.0)
    pictures = [tmp_path / folder / "hall.png" for folder in ("east", "west", "recorded")]
    for grey, picture in enumerate(pictures, 120):
        picture.parent.mkdir()
        cv2.imwrite(str(picture), np.full((50, 70, 3), grey, np.uint8))
    *own, recorded = pictures
    shutil.copytree(mobile_sam_bundle_path, tmp_path / "bundle")
    bundle = Bundle.open(tmp_path / "bundle")
    bundle = record_into(bundle, [questions_of(bundle, recorded)])
    tuning = Tuning(bundle, TuneSettings(threads=1, least_gain=1000.0), silent)

    assert tuning.run(own).evidence["images"] == [
        *("hall.png", "table", "upright", "hall.png"),
        str(tmp_path / "west" / "hall.png"),
    ]
    with pytest.raises(ImageError, match="is there already: give each once"):
        tuning.run([*own, own[1]])


def test_a_least_gain_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="least_gain must be at least 1"):
        TuneSettings(least_gain=0.9)
