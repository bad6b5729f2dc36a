"""Names of outputs: safe for file systems, and never those of files that are somebody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.cli.segment.output_names import RESULTS_NAME, claim_outputs, unique_stems
from sam3_ros.core.out_folder import OutFolder, OutputExistsError


def mask_name(tmp_path: Path, label: str, image: str = "table.jpg") -> str:
    (outputs,) = claim_outputs(OutFolder(tmp_path), [Path(image)], with_masks=True, force=False)
    (path,) = outputs.claim_masks([label])
    path.touch()
    return path.name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("red cube", "table_1_red-cube.png"),
        ("../../etc/passwd", "table_1_etc-passwd.png"),
        ('a:b*c?"<>|\\d', "table_1_a-b-c-d.png"),
        ("красный куб", "table_1_красный-куб.png"),
        ("lateral_view", "table_1_lateral-view.png"),
        ("line\nbreak\0", "table_1_line-break.png"),
        ("!!!", "table_1_mask.png"),
        ("overlay", "table_1_overlay-.png"),
        ("labels", "table_1_labels-.png"),
    ],
)
def test_a_label_becomes_a_safe_name(label: str, name: str, tmp_path: Path) -> None:
    assert mask_name(tmp_path, label) == name


def test_long_names_are_cut_to_what_file_systems_take(tmp_path: Path) -> None:
    name = mask_name(tmp_path, "é" * 500, "ü" * 120 + ".jpg")

    assert len(name.encode()) <= 255
    assert name.startswith("ü" * 75 + "_1_é")


def test_images_of_one_name_get_numbers_whatever_the_capitals() -> None:
    images = ["a/table.jpg", "b/table.png", "Table.jpg", "table-2.jpg", "other.jpg"]

    assert unique_stems(map(Path, images)) == ["table", "table-2", "Table-3", "table-2-2", "other"]


@pytest.mark.parametrize(
    "name", [RESULTS_NAME, "table_overlay.png", "table_labels.png", "table_3_cup.png"]
)
def test_what_somebody_else_made_is_refused_and_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(OutputExistsError, match=name):
        claim_outputs(OutFolder(tmp_path), [Path("table.jpg")], with_masks=True, force=False)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    claim_outputs(OutFolder(tmp_path, force=True), [Path("table.jpg")], with_masks=True, force=True)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_an_image_to_segment_is_never_overwritten(force: bool, tmp_path: Path) -> None:
    images = [tmp_path / "table.jpg", tmp_path / "table_overlay.png"]
    with OutFolder(tmp_path) as earlier:  # an image that we wrote is an image too
        earlier.claim("table_overlay.png")[0].write_text("picture")

    with pytest.raises(OutputExistsError, match=r"table_overlay\.png is to be segmented"):
        claim_outputs(OutFolder(tmp_path, force=force), images, with_masks=True, force=force)
