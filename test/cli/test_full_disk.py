"""Commands on a full disk: whole files or none, code 2, and the file's name on stderr."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest


def limited(size: int, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """Run `sam3-ros` in a process whose files may not grow above the size."""
    return subprocess.run(
        [sys.executable, "-m", "sam3_ros.cli.main", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        **options,
    )


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("full") / "noise.png"
    noise = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    return path


@pytest.mark.parametrize("size", [0, 200, 1000])
def test_segment_leaves_no_half_file(tmp_path, picture, size):
    out = tmp_path / "out"
    ended = limited(size, "segment", str(picture), "--text", "red cube", "--out", str(out))
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("sam3-ros: error: cannot ")
    assert str(out) in last
    pictures = [each for each in out.iterdir() if each.suffix == ".png"]
    assert all(cv2.imread(str(each)) is not None for each in pictures)
    assert all(each.stat().st_size for each in out.glob("*.json"))
    assert not list(out.glob(".sam3-ros-[0-9]*"))


def test_a_full_device_behind_stdout_is_told():
    with Path("/dev/full").open("w") as full:
        ended = limited(10**9, "completion", "bash", stdout=full)
    assert ended.returncode == 2
    assert ended.stderr == "sam3-ros: error: cannot write: No space left on device\n"
