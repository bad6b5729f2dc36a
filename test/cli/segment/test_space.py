"""`sam3-ros segment --depth`: where things are, and depth that does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import colour_scene

from sam3_ros.cli.main import main
from sam3_ros.core.image_file import write_png

RED = (20, 30, 90, 110)
HEIGHT, WIDTH, FOCAL = 240, 320, 200
CAMERA = f"""\
image_width: {WIDTH}
image_height: {HEIGHT}
camera_name: eye
camera_matrix: {{data: [{FOCAL}, 0, 159.5, 0, {FOCAL}, 119.5, 0, 0, 1]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a picture of a red thing 0.8 m away, before a wall at 1 m."""
    folder = tmp_path_factory.mktemp("table")
    picture = colour_scene(HEIGHT, WIDTH, {"red": RED})
    write_png(folder / "table.png", picture)
    depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    depth[RED[1] : RED[3], RED[0] : RED[2]] = 800
    write_png(folder / "depth.png", depth[::2, ::2].copy())
    np.save(folder / "metres.npy", (depth / 1000).astype(np.float32))
    np.save(folder / "wrong_unit.npy", depth.astype(np.float32))
    write_png(folder / "small.png", depth[:100, :100].copy())
    write_png(folder / "eight_bits.png", (depth // 5).astype(np.uint8))
    (folder / "camera.yaml").write_text(CAMERA)
    (folder / "other.yaml").write_text(CAMERA.replace("320", "500"))
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(picture).save(folder / "turned.jpg", exif=exif)
    return folder


def segment(
    bundle: Path, folder: Path, depth: str, *others: str, image: str = "table.png"
) -> tuple[int, Path]:
    """Run the command on files of the folder; return its exit code and its folder."""
    out = folder / f"answers_{depth}"
    named = [str(folder / each) if (folder / each).exists() else each for each in others]
    command = ["segment", str(folder / image), "--text", "red", "--depth", str(folder / depth)]
    command += [*named, "--masks", "none", "--out", str(out), "--bundle", str(bundle)]
    return main([*command, "--threads", "1"]), out


@pytest.mark.parametrize("depth", ["depth.png", "metres.npy"])
def test_a_thing_is_where_it_is_whatever_the_form_of_the_depth(
    sam3_bundle_path: Path, folder: Path, depth: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = segment(sam3_bundle_path, folder, depth, "--camera-info", "camera.yaml")
    assert code == 0
    ((found,),) = (
        each["segments"] for each in json.loads((out / "segments.json").read_text())["images"]
    )
    space = found["space"]
    middle = np.array([(RED[0] + RED[2] - 1) / 2 - 159.5, (RED[1] + RED[3] - 1) / 2 - 119.5])
    expected = [*(middle / FOCAL * 0.8), 0.8]
    np.testing.assert_allclose(space["centre"], expected, atol=0.02)
    assert space["frame"] == "eye"
    assert space["box"]["size"][:2] == pytest.approx([0.32, 0.28], abs=0.03)
    x, y, z = space["centre"]
    table = capsys.readouterr().out
    assert f"at {x:.3f}, {y:.3f}, {z:.3f} m" in table
    assert " mm" in table


@pytest.mark.parametrize(
    ("depth", "others", "reason"),
    [
        ("small.png", ("--camera-info", "camera.yaml"), "is 100x100 px and the picture 320x240 px"),
        ("depth.png", ("--camera-info", "other.yaml"), "calibration is for 500x240 px"),
        ("wrong_unit.npy", ("--camera-info", "camera.yaml"), "divide them by 1000"),
        ("eight_bits.png", ("--camera-info", "camera.yaml"), "has lost its unit"),
        ("absent.png", ("--camera-info", "camera.yaml"), "absent.png cannot be read"),
        ("depth.png", ("--camera-info", "absent.yaml"), "absent.yaml cannot be read"),
        ("depth.png", ("--camera-info", "depth.png"), "cannot be read"),
        ("depth.png", (), "--depth needs --camera-info FILE"),
        ("depth.png", ("--camera-info", "camera.yaml", "--rectified"), "projection matrix P"),
        ("depth.png", ("--camera-info", "camera.yaml", "turned.jpg"), "of one image, got 2"),
    ],
)
def test_what_does_not_fit_is_one_line_and_code_2(
    sam3_bundle_path: Path,
    folder: Path,
    depth: str,
    others: tuple[str, ...],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _ = segment(sam3_bundle_path, folder, depth, *others)
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


def test_a_picture_that_its_tag_turns_is_refused(
    sam3_bundle_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = ("--camera-info", "camera.yaml")
    code, _ = segment(sam3_bundle_path, folder, "depth.png", *camera, image="turned.jpg")
    assert code == 2
    assert "its orientation tag turns the picture, and not its depth" in capsys.readouterr().err


def test_a_camera_without_depth_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = ["--camera-info", str(folder / "camera.yaml")]
    image = str(folder / "table.png")
    assert main(["segment", image, "--text", "red", *camera, "--out", str(tmp_path / "out")]) == 2
    assert "--camera-info and --rectified go with --depth FILE" in capsys.readouterr().err
