"""`sam3-ros export`, on a small model in the place of a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_clicker import FAMILY

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.recorded import RecordedAnswers, load_recorded_answers
from sam3_ros.export.families import FAMILIES

pytestmark = pytest.mark.long

SHA256 = "checkpoint_sha256"


@pytest.fixture(autouse=True)
def _small_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, FAMILY.name, FAMILY)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return the error of `sam3-ros export`, which must leave nothing behind."""
    status = main(["export", *map(str, arguments)])
    told = capsys.readouterr()
    assert status == 2
    assert told.out == ""
    return told.err.splitlines()[-1]


def answers(bundle: Bundle) -> RecordedAnswers:
    assert bundle.manifest.recorded_answers is not None
    return load_recorded_answers(bundle.path / bundle.manifest.recorded_answers.path)


def sums(bundle: Bundle, rendition: str) -> dict[str, str]:
    """Return the sha256 of each stage's fp32 file."""
    return {
        name: stage.files_by_rendition[rendition]["fp32"].sha256
        for name, stage in bundle.manifest.stages.items()
        if rendition in stage.files_by_rendition
    }


def test_random_weights_survive_the_round_trip_through_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, checkpoint = tmp_path / "first", tmp_path / "again", tmp_path / "model.pth"
    seed = ("--random-weights", "1", "--save-checkpoint", str(checkpoint))
    both = ("--precision", "fp32,int8", "--allow-poor-precision")
    assert main(["export", FAMILY.name, *seed, *both, "--out", str(first)]) == 0
    assert f"verified: {first} (interactive; fp32, int8;" in capsys.readouterr().out
    loaded = ("--checkpoint", str(checkpoint), "--precision", "fp32", "--card")
    assert main(["export", FAMILY.name, *loaded, "--out", str(again)]) == 0
    made, read = Bundle.open(first), Bundle.open(again)
    for rendition in ("portable", "cuda"):
        assert sums(made, rendition) == sums(read, rendition)
    assert sums(made, "cuda").keys() == {*made.manifest.stages_in_use, "pixels"}
    for key, answer in answers(made).answers.items():
        np.testing.assert_array_equal(answer.masks, answers(read).answers[key].masks)
    assert made.manifest.source["random_seed"] == "1"
    assert read.manifest.source["checkpoint"] == "model.pth"
    assert len(read.manifest.source["checkpoint_sha256"]) == 64
    assert str(tmp_path) not in (again / "bundle.yaml").read_text("utf-8")
    assert read.manifest.source["command"] == (
        "sam3-ros export efficientvit-sam --checkpoint model.pth --out again --precision fp32 "
        "--renditions portable,cuda"
    )
    card, sha256 = (again / "README.md").read_text("utf-8"), read.manifest.source[SHA256]
    assert f"| checkpoint sha256 | `{sha256}` |" in card
    assert "| a click on a new image | " in card and "| cuda fp32 | " in card
    report = tmp_path / "report.md"
    assert main(["verify", str(again), *loaded[:2], "--report", str(report)]) == 0
    page = report.read_text("utf-8")
    assert f"| its sha256 | `{sha256}`, as in the manifest |" in page
    assert "Stage by stage:" in page and "| verified (PyTorch) |" in page


def test_a_checkpoint_that_does_not_fit_is_refused_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pth"
    torch.save({"model": {"image_encoder.backbone.input_stem.op_list.0.conv.weight": 1}}, path)
    refused(capsys, FAMILY.name, "--checkpoint", path, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("sam4", "--random-weights", "1"), "unknown family 'sam4'"),
        ((FAMILY.name, "--random-weights", "1", "--variant", "xxl"), "no variant 'xxl'"),
        ((FAMILY.name, "--random-weights", "1", "--input-size", "65"), "input size of 65"),
        ((FAMILY.name, "--random-weights", "1", "--parts", "concept"), "part concept"),
        ((FAMILY.name, "--random-weights", "1", "--precision", "fp8"), "precision fp8"),
        ((FAMILY.name, "--checkpoint", "no.pth"), "no.pth does not exist"),
        ((FAMILY.name, "--checkpoint", "no.pth", "--variant", "l0"), "--variant goes with"),
    ],
)
def test_what_cannot_be_exported_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in refused(capsys, *arguments, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_target_is_reported_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = (FAMILY.name, "--random-weights", "1")
    assert "exists; remove it" in refused(capsys, *seed, "--out", tmp_path)
    (tmp_path / "letter").write_text("dear")
    assert "is no bundle" in refused(capsys, *seed, "--out", tmp_path, "--force")
