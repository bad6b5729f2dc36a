"""`sam3-ros bench --tracking` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam3_ros.bench.tracking import PARTS
from sam3_ros.cli.bench.tracking import MARK
from sam3_ros.cli.main import main
from sam3_ros.cli.out_folder import require_own


def tracking(bundle: Path, *arguments: object) -> int:
    common = ["bench", "--tracking", "--bundle", bundle, "--seconds", "0.001", "--threads", "1"]
    return main([str(argument) for argument in (*common, *arguments)])


def test_the_table_and_the_plot(
    mobile_sam_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "t.svg"
    assert tracking(mobile_sam_bundle_path, "--size", "100x60", "--plot", plot) == 0
    out = capsys.readouterr().out

    for said in ("100x60", "by prompting again", *PARTS, "MB an object", "\n  16 "):
        assert said in out
    require_own(plot, MARK, force=False)  # it may be drawn again


def test_the_figures_for_programs(
    mobile_sam_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tracking(mobile_sam_bundle_path, "--json") == 0
    found = json.loads(capsys.readouterr().out)["tracking"]

    assert list(found) == ["objects"]
    for point in found["objects"]["points"]:
        assert tuple(point["parts_ms"]) == PARTS
        assert point["followed"] == point["amount"]
        assert point["object_bytes"] > 0


@pytest.mark.parametrize(
    ("option", "value"), [("--sizes", "64x48"), ("--rate", "5"), ("--prompts", "3")]
)
def test_options_of_other_measurements_are_refused(
    mobile_sam_bundle_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
) -> None:
    assert tracking(mobile_sam_bundle_path, option, value) != 0
    assert f"{option} is not for a bench with --tracking" in capsys.readouterr().err
