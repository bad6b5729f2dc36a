"""`sam3-ros verify` where there is nothing to compare a bundle with."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--image", "photo.jpg"), "photo.jpg: images need a model that is built again"),
        (("--reference", "absent"), "absent holds no cases_*.npz"),
    ],
)
def test_what_is_missing_is_said(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "tabletop", "--no-record", *arguments]) == 2

    assert reason in capsys.readouterr().err


def test_a_bundle_without_recorded_answers_has_nothing_to_compare_with(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(sam3_bundle_path), "--no-record"]) == 2

    reason = "holds no recorded answers to compare with; give --checkpoint FILE"
    assert reason in capsys.readouterr().err


def test_the_embedded_bundle_still_answers_as_it_was_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["verify", "tabletop", "--no-record"]) == 0

    assert "verified" in capsys.readouterr().out


def test_a_checkpoint_and_a_seed_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "tabletop", "--checkpoint", "model.pt", "--rebuild"])

    assert "not allowed with" in capsys.readouterr().err
