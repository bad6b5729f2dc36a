"""`sam3-ros verify --against`: figures, the limit, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenes import colour_scene

from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png

RED, BLUE = (20, 30, 90, 110), (200, 40, 300, 180)
TEXTS = ("--text", "red; blue", "--text", "green")


@pytest.fixture(scope="module", autouse=True)
def _one_turn() -> Any:
    """Time once: what is tested is which figures come, not their size."""
    from sam3_ros.cli.verify import against

    patch = pytest.MonkeyPatch()
    patch.setattr(against, "_TURNS", 1)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_png(folder / "both.png", colour_scene(240, 320, {"red": RED, "blue": BLUE}))
    write_png(folder / "one.png", colour_scene(240, 320, {"red": [RED, BLUE]}))
    return folder


@pytest.fixture(scope="module")
def blunt(sam3_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle with a score that none of its texts reaches."""
    copy = Path(shutil.copytree(sam3_bundle_path, tmp_path_factory.mktemp("blunt") / "blunt"))
    manifest = copy / "bundle.yaml"
    document = yaml.safe_load(manifest.read_text())
    document["name"] = "blunt"
    document["concept"]["score_threshold"] = 1.0
    manifest.write_text(yaml.safe_dump(document))
    return copy


def verify(*arguments: object) -> int:
    return main(["verify", *map(str, arguments), "--threads", "1"])


def test_a_bundle_loses_nothing_beside_itself(
    sam3_bundle_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("--against", sam3_bundle_path, "--images", pictures)
    assert verify(sam3_bundle_path, *other, *TEXTS, "--least-iou", "1", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    loss = found["loss"]
    assert [*loss] == ["texts", "clicks", "boxes", "together"]
    assert (loss["texts"]["asked"], loss["texts"]["objects"]) == (6, 4)
    assert (loss["clicks"]["found"], loss["boxes"]["found"]) == (4, 4)
    assert loss["together"]["iou"] == loss["together"]["worst_iou"] == 1
    assert found["passed"] and not found["below_the_limit"] and not found["left_out"]
    assert {each["key"] for each in found["times"]} == {
        *("text_new_frame", "text_absent", "second_text_seen_frame"),
        *("click_new_frame", "click_seen_frame"),
    }
    assert found["bytes"]["bundle"] == found["bytes"]["against"] > 0


def test_what_is_missed_fails_the_limit_and_is_named(
    sam3_bundle_path: Path, blunt: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("--against", sam3_bundle_path, "--images", pictures / "both.png")
    assert verify(blunt, *other, *TEXTS, "--least-iou", "0.9") == 1

    lines = capsys.readouterr().out.splitlines()
    assert "FAILED: texts: IoU 0.0000, at least 0.9 is wanted" in lines
    assert not any(line.startswith("FAILED: clicks") for line in lines)
    row = next(line for line in lines if line.startswith("texts "))
    assert row.split()[1:6] == ["3", "2", "0", "2", "0"]
    assert any("blue" in line and "1 missed" in line for line in lines)
    assert any(line.startswith("model files") for line in lines)


def test_without_a_limit_a_loss_is_shown_and_no_failure(
    sam3_bundle_path: Path, blunt: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("--against", blunt, "--images", pictures / "both.png")
    assert verify(sam3_bundle_path, *other, *TEXTS, "--json") == 0

    loss = json.loads(capsys.readouterr().out)["loss"]["texts"]
    assert (loss["objects"], loss["extra"], loss["iou"], loss["found_iou"]) == (0, 2, 0, None)


def test_texts_are_left_out_where_one_takes_none(
    sam3_bundle_path: Path, mobile_sam_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(sam3_bundle_path, "--against", mobile_sam_bundle_path) == 0

    out = capsys.readouterr().out
    assert "texts are not compared: bundle 'mobile_colours' takes none" in out
    row = next(line for line in out.splitlines() if line.startswith("clicks "))
    assert row.split()[1] == "18"


def test_a_precision_of_the_same_bundle_is_compared(
    sam3_bundle_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("--against", sam3_bundle_path, "--precision", "fp16", "--images", pictures)
    assert verify(sam3_bundle_path, *other, "--text", "red", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["plan"], found["against_plan"]) == ("cpu fp16", "cpu fp32")
    assert found["loss"]["together"]["worst_iou"] > 0.95
    assert found["bytes"]["bundle"] != found["bytes"]["against"] > 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--least-iou", "0.9"), "--least-iou goes with --against BUNDLE"),
        (("--text", "cube"), "--text goes with --against BUNDLE"),
        (("--against", "tabletop", "--rebuild"), "--rebuild does not go with --against"),
        (("--against", "tabletop", "--image", "a.png"), "--image does not go with --against; give"),
        (("--against", "tabletop", "--report", "a.md"), "--report does not go with --against"),
        (("--against", "absent"), "absent"),
        (("--against", "tabletop", "--images", "absent.png"), "--images goes with --text WORDS"),
        (("--against", "tabletop", "--images", "no*.png", "--text", "cube"), "no file matches"),
        (("--against", "tabletop", "--text", " ; "), "a text prompt must not be blank"),
        (("--against", "tabletop", "--precision", "int3"), "int3"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "tabletop", *arguments]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("sam3-ros: error: ") and reason in last


def test_texts_for_a_bundle_that_takes_none_are_refused(
    sam3_bundle_path: Path, mobile_sam_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--against", mobile_sam_bundle_path, "--text", "red")
    assert verify(sam3_bundle_path, *arguments) == 2
    assert "one of the two bundles takes no texts" in capsys.readouterr().err


def test_two_bundles_of_different_prompts_are_refused(
    sam3_bundle_path: Path,
    mobile_sam_bundle_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = Path(shutil.copytree(sam3_bundle_path, tmp_path / "texts"))
    document = yaml.safe_load((copy / "bundle.yaml").read_text())
    document["capabilities"] = ["concept"]
    del document["interactive"]
    (copy / "bundle.yaml").write_text(yaml.safe_dump(document))

    assert verify(copy, "--against", mobile_sam_bundle_path) == 2
    reason = "'colours' takes texts; 'mobile_colours' takes clicks and boxes"
    assert reason in capsys.readouterr().err
