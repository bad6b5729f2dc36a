"""How picture files are read: their bits, their size, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import colour_scene

from sam3_ros.cli.main import main

RED = (20, 30, 90, 110)


@pytest.fixture
def ten_bits(tmp_path: Path) -> Path:
    """Return a 16-bit PPM whose values are those of 10 bits, with a red patch."""
    scene = colour_scene(120, 160, {"red": RED}).astype(np.uint16)
    values = np.rint(scene * (1023 / 255)).astype(">u2")
    values[0, 0] = 1023
    path = tmp_path / "sensor.ppm"
    path.write_bytes(b"P6\n160 120\n65535\n" + values.tobytes())
    return path


def segment(bundle: Path, out: Path, *arguments: object) -> int:
    common = ["--bundle", bundle, "--threads", "1", "--out", out, "--masks", "none"]
    return main([str(argument) for argument in ("segment", *arguments, *common)])


def answer(out: Path) -> dict:
    (found,) = json.loads((out / "segments.json").read_text())["images"]
    return found


def test_fewer_bits_are_told_and_can_be_set(
    sam3_bundle_path: Path,
    ten_bits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert segment(sam3_bundle_path, tmp_path / "dark", ten_bits, "--text", "red") == 0
    dark = answer(tmp_path / "dark")
    assert dark["segments"] == []
    (warning,) = dark["warnings"]
    assert warning.startswith(f"{ten_bits}: the image is nearly black: values up to 1023 of 65535")
    assert warning in capsys.readouterr().err
    asked = (ten_bits, "--text", "red", "--bit-depth", 10)
    assert segment(sam3_bundle_path, tmp_path / "bright", *asked) == 0
    bright = answer(tmp_path / "bright")
    assert bright["warnings"] == []
    assert {found["prompt_id"] for found in bright["segments"]} == {"red"}


def test_larger_pictures_can_be_allowed(
    sam3_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(colour_scene(120, 160, {"red": RED})).save(path)
    asked = (path, "--text", "red", "--max-megapixels")
    assert segment(sam3_bundle_path, tmp_path / "refused", *asked, 0.01) == 2
    assert "--max-megapixels 1" in capsys.readouterr().err
    assert segment(sam3_bundle_path, tmp_path / "allowed", *asked, 1) == 0


@pytest.mark.parametrize(
    "option", [("--bit-depth", "7"), ("--bit-depth", "x"), ("--max-megapixels", "0")]
)
def test_what_cannot_be_set_is_refused(
    option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["segment", "a.png", "--text", "red", "--out", str(tmp_path), *option])
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err
