"""Golden frames made of the labels of `sam3-ros label`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bags import IMAGES, SIDE_IMAGES, stamp_ns, write_bag
from label_results import BALLS, CUBES, FAILED, HIDDEN, label_results, shapes

from sam3_ros.label.outputs.bag import write_bags
from sam3_ros.replay.ask.cues import PointCue, TextCue
from sam3_ros.replay.ask.settings import CameraSource, ReplaySettings
from sam3_ros.replay.golden.comparison import FrameKey
from sam3_ros.replay.golden.expectation import Judging
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames
from sam3_ros.replay.golden.from_labels import golden_from_labels

FRAMES = 6
ASKED = (TextCue(0, f"{CUBES}; {BALLS}"),)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bag") / "drive", FRAMES, side=True)


@pytest.fixture(scope="module")
def labels(bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    results = label_results(folder / "work", {"drive": bag}, FRAMES, tracked=True, chunk=FRAMES)
    return write_bags(results, folder)[0].parent


def settings(bag: Path, **changes: object) -> ReplaySettings:
    both = (CameraSource("front", IMAGES), CameraSource("side", SIDE_IMAGES))
    return replace(ReplaySettings(bag=bag, cues=ASKED, cameras=both), **changes)


def made(labels: Path, asked: ReplaySettings, folder: Path, every: int = 1) -> GoldenFrames:
    return golden_from_labels(labels, asked, folder / "golden", Judging(every=every))


def test_masks_scores_and_ids_of_the_judged_images_become_golden(bag, labels, tmp_path):
    golden = made(labels, settings(bag), tmp_path, every=5)  # the failed one is not judged
    assert {(key.camera, key.loop) for key in golden.keys} == {("front", 0), ("side", 0)}
    front = golden.frame(FrameKey("front", 0, stamp_ns(0)))
    true = shapes(0, IMAGES)
    balls = np.logical_or.reduce([each.mask for each in true if each.number == 3])
    assert np.array_equal(front.mask_of(BALLS), balls)
    assert {s.track.id for s in front.segments} == {each.number for each in true}
    assert sorted(s.score for s in front.segments) == pytest.approx(
        sorted(each.score for each in true), abs=1e-4
    )


def test_what_is_hidden_is_no_golden_segment(bag, labels, tmp_path):
    golden = made(labels, settings(bag, only_every=HIDDEN, cameras=_SIDE), tmp_path)
    (hidden,) = (
        golden.frame(key)
        for key in golden.keys
        if key.stamp_ns == sorted(k.stamp_ns for k in golden.keys)[1]
    )
    assert {s.prompt_id for s in hidden.segments} == {CUBES}
    assert not hidden.mask_of(BALLS).any()


_SIDE = (CameraSource("", SIDE_IMAGES),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "lacks 1 of the 6 images of /camera/image/compressed"),
        ({"cues": (TextCue(0, CUBES),)}, "the labels answer 'balls', which the expectation does"),
        ({"cues": (TextCue(1, CUBES),)}, "expected prompts that are texts at 0"),
        (
            {"cues": (*ASKED, PointCue(0, 1.0, 1.0, "front"))},
            "expected prompts that are texts at 0",
        ),
        ({"cues": ()}, "got none"),
        ({"loops": 2}, "got loops: 2"),
    ],
)
def test_what_labels_do_not_answer_is_refused(bag, labels, tmp_path, changes, reason):
    assert FAILED < FRAMES
    with pytest.raises(GoldenError, match=reason):
        made(labels, settings(bag, **changes), tmp_path)
    assert not (tmp_path / "golden").exists()


def test_a_bag_that_is_no_labels_is_refused(bag, tmp_path):
    with pytest.raises(GoldenError, match="no bag"):
        made(bag, settings(bag), tmp_path)
    with pytest.raises(GoldenError, match="is no bag of labels"):
        made(tmp_path, settings(bag), tmp_path)


def test_a_damaged_bag_of_labels_is_refused(bag, labels, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in labels.iterdir():
        data = file.read_bytes()
        kept = len(data) // 2 if file.suffix == ".mcap" else len(data)
        (damaged / file.name).write_bytes(data[:kept])
    with pytest.raises(GoldenError, match="cannot read"):
        made(damaged, settings(bag), tmp_path)
