"""The segmenter beside the plain chain: equal answers, and ratios of time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recording_sessions import Recorder
from scenes import colour_scene

from sam3_ros.bench.baselines import paired
from sam3_ros.bench.baselines.ablation import ablation
from sam3_ros.bench.baselines.comparison import agreement, chain_question, compare
from sam3_ros.bench.baselines.paired import CallSeconds, Pairing, in_turns
from sam3_ros.bench.baselines.plain import PlainBaseline
from sam3_ros.bench.baselines.stage_chain import FULL, PLAIN, ChainQuestion, StageChain, run_by
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import ABSENT, Workload
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

SCENE = colour_scene(240, 320, {"red": [(20, 30, 90, 110), (200, 40, 300, 180)]})
CENTRED = colour_scene(240, 320, {"red": (100, 80, 220, 180)})
TABLE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
# The middle is clicked: of the whole picture it is bare table.
BALL_IN_THE_MIDDLE = np.ascontiguousarray(read_rgb(TABLE)[:, 140:])
ONCE = Budget(1, 10.0, 1)


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "REST_SECONDS", 0.0)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def segmenter(sam3_bundle_path: Path, recorder: Recorder) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as loaded:
        yield loaded


@pytest.mark.parametrize("bundle_fixture", ["tabletop", "mobile_sam_bundle_path"])
def test_the_plain_chain_gives_the_same_masks(
    bundle_fixture: str, request: pytest.FixtureRequest
) -> None:
    name = bundle_fixture
    path = name if name == "tabletop" else request.getfixturevalue(name)
    bundle = Bundle.open(path)
    image = BALL_IN_THE_MIDDLE if name == "tabletop" else CENTRED
    baseline = PlainBaseline(bundle, "cpu", 1, image)
    with Segmenter.load(bundle, threads=1) as ours:
        comparison = compare(ours, Workload(image, "red cube"), baseline, ONCE)
    baseline.close()
    assert comparison.agreements
    for alike in comparison.agreements.values():
        assert alike.masks[0] == alike.masks[1] > 0
        assert alike.equal_pixels >= 0.9999
        assert alike.score < 1e-4
    for ratios in comparison.ratios:
        assert len(ratios.repeats) == 1
        assert all(math.isfinite(r) and r > 0 for r in (*ratios.repeats, *ratios.cpu_repeats))


def test_the_plain_chain_runs_every_stage_and_draws_every_query(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    run, bundle = run_by(segmenter.graph), segmenter.bundle
    asked = chain_question(segmenter, Workload(SCENE, "red"))
    plain = StageChain(bundle.manifest, run, bundle.tokenizer_file, PLAIN)
    for _ in range(2):
        recorder.runs.clear()
        assert len(plain.answer(SCENE, asked, "text")) == 1
        assert sorted(recorder.stages) == sorted(bundle.manifest.stages_in_use)
        assert recorder.fed("segmentation")["queries"].shape[1] == 8


@pytest.mark.parametrize(
    ("switch", "asked", "threshold", "more"),
    [
        ("text_cached", "text", 0.5, {"text"}),
        ("necks_on_demand", "text", 0.5, {"tracker_neck"}),
        ("asked_only", "text", 0.5, {"tracker_neck", "prompt_encoder", "mask_decoder"}),
        ("skip_empty", "text", ABSENT, {"segmentation"}),
        ("kept_only", "text", 0.5, set()),
    ],
)
def test_each_optimisation_saves_what_it_says(
    segmenter: Segmenter,
    recorder: Recorder,
    switch: str,
    asked: str,
    threshold: float,
    more: set[str],
) -> None:
    run, bundle = run_by(segmenter.graph), segmenter.bundle
    question = replace(chain_question(segmenter, Workload(SCENE, "red")), threshold=threshold)
    ran, answers = [], []
    for optimisations in (replace(FULL, **{switch: False}), FULL):
        chain = StageChain(bundle.manifest, run, bundle.tokenizer_file, optimisations)
        chain.answer(SCENE, question, asked)
        recorder.runs.clear()
        answers.append(chain.answer(SCENE, question, asked))
        ran.append({*recorder.stages})
        drawn = [fed["queries"].shape[1] for name, fed in recorder.runs if name == "segmentation"]
        if switch == "kept_only":
            assert drawn == ([8] if optimisations != FULL else [2])
    assert ran[0] - ran[1] == more
    assert agreement(*answers).equal_pixels == 1.0


def test_each_reduction_is_reported(segmenter: Segmenter) -> None:
    rows = [row.as_dict() for row in ablation(segmenter, Workload(SCENE, "red"), ONCE)]
    assert len({row["title"] for row in rows}) == 4
    for row in rows:
        assert 0 < row["min"] <= row["median"] <= row["max"] < math.inf


class _Slow:
    """A baseline that takes ten times as long as the segmenter."""

    name, description = "slow", ""

    def __init__(self, fixed_cost: bool) -> None:
        self.fixed_cost = fixed_cost
        self.asked: list[str] = []

    def time_answer(self, asked: str, _: ChainQuestion) -> CallSeconds:
        self.asked.append(asked)
        return CallSeconds(10.0, 20.0)

    def answers(self, _: str, __: ChainQuestion) -> list[Segment]:
        return []

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


@pytest.mark.parametrize(("fixed_cost", "a_round"), [(True, ["text"]), (False, ["text", "click"])])
def test_the_baseline_runs_in_every_round(
    fixed_cost: bool, a_round: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "time_call", lambda _: CallSeconds(1.0, 4.0))
    pairings = [
        Pairing("a", "A", list, "text"),
        Pairing("b", "B", list, "text"),
        Pairing("c", "C", list, "click"),
    ]
    baseline = _Slow(fixed_cost)
    found = in_turns(pairings, baseline, ChainQuestion("red"), Budget(2, 10.0, 1))
    assert baseline.asked == a_round * 3  # the first round warms up
    assert [ratios.key for ratios in found] == ["a", "b", "c"]
    assert found[2].repeats == (0.1, 0.1)
    assert (found[0].cpu_median, found[0].wall_ms) == (0.2, (1000.0, 10000.0))


def _segment(box: Box, flipped: int = 0, score: float = 0.5) -> Segment:
    mask = np.zeros((10, 10), np.bool_)
    mask[: int(box.y_max), : int(box.x_max)] = True
    mask.flat[:flipped] ^= True
    return Segment("a", "a", score, box, mask)


def test_a_pixel_that_differs_is_reported() -> None:
    box, other = Box(0, 0, 4, 4), Box(0, 0, 8, 8)
    ours = [_segment(box), _segment(other)]
    swapped = [_segment(other, flipped=2, score=0.6), _segment(Box(0, 0, 4, 4.5))]
    alike = agreement(ours, swapped)
    assert alike.masks == (2, 2)
    assert alike.equal_pixels == pytest.approx(0.98)
    assert alike.score == pytest.approx(0.1)
    assert alike.box_px == pytest.approx(0.5)


def test_another_number_of_masks_does_not_agree() -> None:
    one = _segment(Box(0, 0, 4, 4))
    assert agreement([one, one], [one]).equal_pixels == 0.0
    assert agreement([], []).equal_pixels == 1.0
