"""The masks that `segment` writes: a PNG each, and COCO's run lengths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenes import colour_scene

from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png
from sam3_ros.core.pictures.coco_rle import RunLengths

RED, BLUE = (20, 30, 90, 110), (200, 40, 300, 180)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "table.png"
    write_png(path, colour_scene(240, 320, {"red": RED, "blue": BLUE}))
    return path


def answer(bundle: Path, picture: Path, out: Path, *arguments: str) -> dict[str, Any]:
    common = ["--bundle", str(bundle), "--threads", "1", "--out", str(out)]
    assert main(["segment", str(picture), *arguments, *common]) == 0
    (found,) = json.loads((out / "segments.json").read_text())["images"]
    return dict(found)


def pngs(out: Path) -> set[str]:
    return {path.name for path in out.glob("*.png")} - {"table_overlay.png", "table_labels.png"}


def test_each_segment_has_a_mask_of_its_own(
    sam3_bundle_path: Path, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers"
    found = answer(sam3_bundle_path, picture, out, "--text", "red; blue")["segments"]

    assert [Path(each["mask"]).name for each in found] == ["table_1_red.png", "table_2_blue.png"]
    assert pngs(out) == {"table_1_red.png", "table_2_blue.png"}
    for each in found:
        assert "segmentation" not in each
        with Image.open(each["mask"]) as opened:
            mask = np.array(opened)
        assert mask.shape == (240, 320)
        assert set(np.unique(mask)) == {0, 255}
        rows, columns = np.nonzero(mask)
        left, top, width, height = each["bbox"]
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)
        assert each["area"] == np.count_nonzero(mask)


@pytest.mark.parametrize(("form", "png", "rle"), [("rle", 0, 1), ("both", 1, 1), ("none", 0, 0)])
def test_the_form_of_the_masks_is_chosen(
    sam3_bundle_path: Path, picture: Path, tmp_path: Path, form: str, png: int, rle: int
) -> None:
    out = tmp_path / "answers"
    (found,) = answer(sam3_bundle_path, picture, out, "--text", "red", "--masks", form)["segments"]

    assert len(pngs(out)) == png == ("mask" in found)
    assert rle == ("segmentation" in found)
    if rle:
        mask = RunLengths.parsed(found["segmentation"]).mask()
        assert mask.shape == (240, 320)
        assert mask.sum() == found["area"]
        if png:
            with Image.open(found["mask"]) as opened:
                np.testing.assert_array_equal(np.array(opened) > 0, mask)


def test_masks_of_an_earlier_run_do_not_stay_beside_the_new_ones(
    sam3_bundle_path: Path, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers"
    answer(sam3_bundle_path, picture, out, "--text", "red; blue")
    answer(sam3_bundle_path, picture, out, "--text", "blue")
    assert pngs(out) == {"table_1_blue.png"}
    answer(sam3_bundle_path, picture, out, "--text", "blue", "--masks", "none")
    assert pngs(out) == set()


def test_files_of_an_image_of_a_similar_name_stay(
    sam3_bundle_path: Path, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers"
    other = tmp_path / "table_2.png"
    other.write_bytes(picture.read_bytes())
    answer(sam3_bundle_path, other, out, "--text", "red")
    answer(sam3_bundle_path, picture, out, "--text", "red")
    assert pngs(out) == {
        "table_1_red.png",
        "table_2_1_red.png",
        "table_2_labels.png",
        "table_2_overlay.png",
    }
