"""`sam3-ros verify` where there is nothing to hold a bundle against."""

from __future__ import annotations

import pytest

from sam3_ros.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "holds no recorded answers to be held against; give --checkpoint FILE"),
        (("--image", "photo.jpg"), "photo.jpg: an image can be asked only where the model is"),
        (("--reference", "absent"), "absent holds no cases_*.npz"),
    ],
)
def test_what_is_missing_is_said(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "tabletop", "--no-record", *arguments]) == 2

    assert reason in capsys.readouterr().err


def test_a_checkpoint_and_a_seed_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "tabletop", "--checkpoint", "model.pt", "--rebuild"])

    assert "not allowed with" in capsys.readouterr().err
