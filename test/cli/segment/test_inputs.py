"""Which images are meant by files, folders and patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.cli.segment.inputs import find_inputs
from sam3_ros.core.out_folder import OutFolder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "older").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "c.heic", "notes.txt", ".hidden.png", "older/d.png"):
        (folder / name).touch()
    return folder


def test_a_folder_stands_for_its_images_by_name(photos: Path) -> None:
    found = find_inputs([str(photos)])

    assert found.images == (photos / "a.png", photos / "b.JPG", photos / "c.heic")
    assert found.refused == ()
    assert found.remarks == (
        f"of the folder {photos}, left out: notes.txt (no image by its name); "
        "older (a folder of its own)",
    )


def test_what_we_wrote_into_a_folder_is_no_input(photos: Path) -> None:
    with OutFolder(photos) as out:
        for path in out.claim("a_overlay.png", "a_labels.png"):
            path.write_text("picture")
    found = find_inputs([str(photos)])

    assert [path.name for path in found.images] == ["a.png", "b.JPG", "c.heic"]
    assert "a_labels.png, a_overlay.png (written by sam3-ros)" in found.remarks[0]


def test_a_pattern_that_no_shell_resolved_is_resolved(photos: Path) -> None:
    found = find_inputs([str(photos / "*.[jJpP]*"), str(photos / "**" / "*.png")])

    assert [path.name for path in found.images] == ["a.png", "b.JPG", "d.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "view[1].png").touch()
    (tmp_path / "view1.png").touch()

    assert find_inputs([str(tmp_path / "view[1].png")]).images == (tmp_path / "view[1].png",)


def test_each_image_is_segmented_once(photos: Path) -> None:
    found = find_inputs([str(photos / "b.JPG"), str(photos), str(photos / "b.JPG")])

    assert [path.name for path in found.images] == ["b.JPG", "a.png", "c.heic"]


def test_what_means_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.txt").touch()
    names = [str(tmp_path / name) for name in ("*.jpg", "empty", "texts", "missing.png")]
    found = find_inputs(names)

    # A file that is missing is told with the reason when it is read.
    assert found.images == (tmp_path / "missing.png",)
    reasons = [reason for _, reason in found.refused]
    assert reasons[0] == f"no file matches {tmp_path / '*.jpg'}"
    assert reasons[1] == f"the folder {tmp_path / 'empty'} holds no image to segment"
    assert reasons[2].endswith(
        "holds no image to segment, left out: notes.txt (no image by its name)"
    )
