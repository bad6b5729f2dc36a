"""`sam3-ros node` as a person sees it: a video on the desk, and what goes wrong."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from node_under_test import ENVIRONMENT
from ros_domains import own_domain
from running_command import RunningCommand

from sam3_ros.cli.main import main
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES, TRANSPORTS_VARIABLE
from sam3_ros.ros.launching.shared_files import demo_bag

TABLE = demo_bag().parent / "table.jpg"


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    with own_domain() as domain:
        yield domain


@pytest.fixture(autouse=True)
def environment(monkeypatch, domain) -> None:
    for name in (*PROFILE_VARIABLES, TRANSPORTS_VARIABLE):  # the command sets one
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in {**ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """Write a video of a table with a red cube."""
    path, picture = tmp_path_factory.mktemp("video") / "table.avi", cv2.imread(str(TABLE))
    size = picture.shape[1], picture.shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, size)
    for _ in range(10):
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.long
def test_a_video_is_a_camera_and_its_red_cube_is_found(video, capsys):
    assert main(["node", "--video", str(video), "--text", "red cube", "name:=eyes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = "\n".join(lines)
    assert lines[0] == f"camera     the video {video}: 640x480, 5 a second"
    assert "/eyes, active, ROS_DOMAIN_ID=" in shown
    assert "images     /camera/image_raw" in lines
    assert "asked      red cube" in lines
    assert 'sam3-ros ask "red cube" --node /eyes' in shown
    assert re.search(r"images/s  \d+ ms  red cube: 1 \((0\.[89]\d|1\.00)\)", shown), shown
    ended = re.fullmatch(r"end        10 images, (\d+) answered.*", lines[-1])
    # How many, depends on the machine.
    assert ended and int(ended[1]) >= 1, shown


@pytest.mark.long
def test_without_a_camera_it_says_why_until_it_is_told_to_end(tmp_path):
    running = RunningCommand(tmp_path / "log", "node", "image:=/eye/image_raw", "name:=lonely")
    try:
        assert "nobody publishes /eye/image_raw: no image topic" in running.wait_for("no image  ")
        assert running.stop(signal.SIGINT) == 0
        assert running.text.splitlines()[-1] == "ended"
    finally:
        running.process.kill()
    assert "Traceback" not in running.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--video", "missing.mp4"], "cannot read missing.mp4: No such file"),
        (["--camera", "9999"], "there is no camera /dev/video9999"),
        (["--bundle", "no_such"], "no_such"),
        (["--image", "a b"], "expects a topic"),
        (["--image", "/a", "image:=/b"], "image is given twice"),
        (["--depth", "/a//b"], "argument 'depth_image' expects a topic"),
        (["--depth", "/a", "depth:=false"], "depth is given twice"),
        (["imgae:=/b"], "no argument 'imgae'"),
        (["red cube"], "expected NAME:=VALUE"),
        (["--loop"], "--loop is for --camera and --video"),
        (["--video", "x", "cameras:=front"], "one camera without a name"),
        (["--video", "x", "--rate", "0"], "expected images per second"),
        (["--video", "x", "--camera", "0"], "not allowed with"),
        (["--preset", "laptop"], "one of desktop_cpu"),
        (["--text", "{point: [1, 2]}"], "expects texts"),
        (["--text", ""], "--text must not be blank"),
        (["--text", " ; "], "--text must not be blank"),
        (["--video", ""], "expected a file or a folder"),
    ],
)
def test_what_cannot_run_is_refused_in_one_row(capfd, arguments, words):
    try:
        code = main(["node", *arguments])
    except SystemExit as error:  # argparse's own
        code = error.code
    assert code == 2
    said = [line for line in capfd.readouterr().err.splitlines() if "error:" in line]
    assert words in said[-1]


def test_all_arguments_are_listed(capsys):
    assert main(["node", "--show-args"]) == 0
    listed = capsys.readouterr().out
    for name in ("image:=/camera/image_raw", "prompts:=", "preset:=", "max_rate:="):
        assert name in listed
    assert "respawn" not in listed
