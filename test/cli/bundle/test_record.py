"""`sam3-ros bundle record`: answers for the precision guard, written into a bundle."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import record_answers
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.core.precision.recorded import RecordedAnswers, save_recorded_answers
from sam3_ros.core.precision.recording import recorded_in

pytestmark = pytest.mark.long


@pytest.fixture
def folder(sam3_bundle_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sam3_bundle_path, tmp_path / "colours"))


def recorded_of(folder: Path) -> RecordedAnswers:
    found = recorded_in(Bundle.open(folder))
    assert found is not None
    return found


def test_a_bundle_gets_its_own_answers_and_they_can_be_taken_again(folder: Path) -> None:
    assert main(["bundle", "record", str(folder)]) == 0
    first = recorded_of(folder)
    assert main(["bundle", "record", str(folder), "--image", str(TABLE)]) == 0

    assert not first.of_original
    assert [image.name for image in first.images] == ["table.jpg"]
    sampled = {stage for stages in first.samples.values() for stage in stages}
    assert sampled == set(Bundle.open(folder).manifest.stages_in_use)
    assert len(list(folder.glob("recorded_answers-*.npz"))) == 1
    assert main(["bundle", "verify", str(folder)]) == 0


def test_the_originals_answers_stay_and_get_reference_samples(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["bundle", "record", str(folder)])
    original = replace(recorded_of(folder), samples={}, of_original=True)
    record_answers(folder, "kept.npz", lambda path: save_recorded_answers(path, original))

    assert main(["bundle", "record", str(folder), "--image", str(TABLE)]) == 2
    assert "holds answers of the original model" in capsys.readouterr().err
    assert recorded_of(folder).samples == {}

    assert main(["bundle", "record", str(folder)]) == 0
    after = recorded_of(folder)
    assert after.of_original
    assert after.samples
    assert after.answers.keys() == original.answers.keys()
