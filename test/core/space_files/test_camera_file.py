"""Cameras from YAML: the forms that people have, and what is wrong with a file, by its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space_files.camera_file import read_camera

CALIBRATION = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix: {rows: 3, cols: 3, data: [500.5, 0, 320, 0, 501, 240, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0]}
projection_matrix: {rows: 3, cols: 4, data: [480, 0, 310, 0, 0, 481, 230, 0, 0, 0, 1, 0]}
"""
MESSAGE = """\
header:
  stamp: {sec: 1, nanosec: 2}
  frame_id: narrow_stereo
height: 480
width: 640
distortion_model: plumb_bob
d: [0.1, -0.2, 0.001, 0.002, 0.0]
k: [500.5, 0.0, 320.0, 0.0, 501.0, 240.0, 0.0, 0.0, 1.0]
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: [480.0, 0.0, 310.0, 0.0, 0.0, 481.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
binning_y: 0
roi: {x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}
---
"""
OF_ROS1 = MESSAGE.replace("\nd:", "\nD:").replace("\nk:", "\nK:").replace("\np:", "\nP:")


@pytest.mark.parametrize(
    "text", [CALIBRATION, MESSAGE, MESSAGE * 2, OF_ROS1, f"---\n{CALIBRATION}"]
)
def test_every_form_gives_the_same_camera(tmp_path: Path, text: str) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    camera = read_camera(path)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500.5, 501.0, 320.0, 240.0)
    assert camera.coefficients == (0.1, -0.2, 0.001, 0.002, 0.0)
    assert (camera.size.width, camera.size.height) == (640, 480)
    assert camera.frame == "narrow_stereo"
    straight = read_camera(path, rectified=True)
    assert (straight.fx, straight.cx, straight.coefficients) == (480.0, 310.0, ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image_width: 640\nimage_height: 480\n", "image_width, image_height and camera_matrix"),
        ("[1, 2]", "expected"),
        ("width: {", "is not plain YAML"),
        (CALIBRATION.replace("640", "wide"), "line 1, image_width: .* got 'wide'"),
        (MESSAGE.replace("480.0", "480.0, 1.0"), "projection matrix P, 12 numbers .* got 13"),
        (MESSAGE.replace("0.0, 501.0", "501.0"), "matrix K has 9 numbers, row by row, got 8"),
        (CALIBRATION.replace("plumb_bob", "fisheye"), "unknown lens model 'fisheye'"),
        (CALIBRATION.replace("500.5", "0"), "is the camera calibrated"),
    ],
)
def test_what_is_no_camera_is_refused_with_its_place(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    rectified = "480.0, 1.0" in text
    with pytest.raises(SpaceError, match=reason) as refused:
        read_camera(path, rectified=rectified)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"absent.yaml cannot be read: No such file"):
        read_camera(tmp_path / "absent.yaml")
