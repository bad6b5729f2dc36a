"""`sam3-ros bench --growth` as a user types it."""

from __future__ import annotations

import json
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sam3_ros.cli import needs
from sam3_ros.cli.bench.growth import MARK
from sam3_ros.cli.main import main
from sam3_ros.cli.out_folder import require_own
from sam3_ros.core.image_file import read_rgb

pytestmark = pytest.mark.long


def growth(bundle: Path, *arguments: object) -> int:
    common = ["bench", "--growth", "--bundle", bundle, "--seconds", "0.01", "--threads", "1"]
    return main([str(argument) for argument in (*common, *arguments)])


def test_every_point_of_every_growth_is_timed(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert growth(sam3_bundle_path, "--text", "red", "--json") == 0
    found = json.loads(capsys.readouterr().out)["growth"]

    labels = {key: [point["label"] for point in each["points"]] for key, each in found.items()}
    assert labels == {
        "prompts": ["1", "2", "4", "8", "16"],
        "cameras": ["1", "2", "3", "4"],
        "points": ["1", "2", "4", "8", "16", "32"],
        "image size": ["320x240", "640x480", "1280x720", "1920x1080", "3840x2160"],
    }
    for each in found.values():
        first = each["points"][0]
        for point in each["points"]:
            assert 0 < point["median_ms"] <= point["p95_ms"]
            assert point["repeats"] >= 1
            assert point["ratio_to_first"] == pytest.approx(point["median_ms"] / first["median_ms"])
            assert point["per_item_ms"] == pytest.approx(point["median_ms"] / point["amount"])
        assert first["ratio_to_first"] == 1
        assert first["each_more_ms"] is None


def test_a_bundle_without_words_grows_by_clicks(
    mobile_sam_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert growth(mobile_sam_bundle_path, "--sizes", "64x48,100x60", "--json") == 0
    found = json.loads(capsys.readouterr().out)["growth"]

    assert found["prompts"]["title"] == "so many clicks on a new frame"
    assert [point["amount"] for point in found["image size"]["points"]] == [0.003072, 0.006]


def test_the_table_is_for_people(
    sam3_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert growth(sam3_bundle_path, "--sizes", "64x48") == 0
    out = capsys.readouterr().out

    for said in ("prompts: so many texts on a new frame", "per camera", "x first", "64x48"):
        assert said in out


def test_a_plot_has_a_panel_for_each_growth(sam3_bundle_path: Path, tmp_path: Path) -> None:
    assert growth(sam3_bundle_path, "--sizes", "64x48,100x60", "--plot", tmp_path / "g.png") == 0
    picture = read_rgb(tmp_path / "g.png")

    quarters = [half for rows in _halves(picture, 0) for half in _halves(rows, 1)]
    assert all(len(set(map(tuple, quarter.reshape(-1, 3)))) > 10 for quarter in quarters)
    require_own(tmp_path / "g.png", MARK, force=False)  # it may be drawn again


def test_a_plot_may_be_svg_in_a_folder_that_is_to_come(
    sam3_bundle_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "g.svg"

    assert growth(sam3_bundle_path, "--sizes", "64x48", "--plot", file) == 0
    assert ElementTree.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    require_own(file, MARK, force=False)


def test_without_matplotlib_it_says_how_to_get_it_before_anything_is_timed(
    sam3_bundle_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(name: str) -> ModuleSpec | None:
        return None if name == "matplotlib" else find_spec(name)

    monkeypatch.setattr(needs, "find_spec", found)

    assert growth(sam3_bundle_path, "--plot", tmp_path / "g.png") == 2
    captured = capsys.readouterr()
    assert "sam3_ros[bench]" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "g.png").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--plot", "growth.pdf"), ".png or .svg"),
        (("--sizes", "640"), "WIDTHxHEIGHT"),
        (("--sizes", "640x480,99999x9"), "at most 16384"),
        (("--seconds", "0"), "seconds above 0"),
        (("--seconds", "soon"), "seconds above 0"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(
    sam3_bundle_path: Path,
    arguments: tuple[str, str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        growth(sam3_bundle_path, *arguments)
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--size", "640x480"), ("--prompts", "2"), ("--rate", "5"), ("-p", "threads:=1")]
)
def test_options_of_other_measurements_are_refused(
    sam3_bundle_path: Path, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert growth(sam3_bundle_path, *option) == 2
    assert "is not for a bench with --growth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--plot", "g.png"), "--plot is not for a bench of stages"),
        (("--sizes", "64x48"), "--sizes is not for a bench of stages; give --size"),
        (("--rate", "30"), "--rate is not for a bench of stages"),
    ],
)
def test_its_own_options_are_refused_without_it(
    option: tuple[str, str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *option]) == 2
    assert reason in capsys.readouterr().err


def test_it_is_one_or_the_other(sam3_bundle_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        growth(sam3_bundle_path, "--node")
    assert stopped.value.code == 2


def _halves(picture, axis):
    middle = picture.shape[axis] // 2
    return picture.take(range(middle), axis), picture.take(range(middle, 2 * middle), axis)
