"""`ros2 bag play` as the player: a program of that name on PATH publishes the bag over DDS."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from bags import IMAGES, SIDE_IMAGES, write_bag
from node_under_test import ENVIRONMENT
from processes import children_of
from ros_domains import own_domain

from sam3_ros.replay.ask.cues import PointCue, TextCue
from sam3_ros.replay.ask.settings import (
    CameraSource,
    NodeSettings,
    Player,
    ReplayError,
    ReplaySettings,
)
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import ReplayReport
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

STAND_IN = Path(__file__).parents[2] / "support" / "ros2_stand_in.py"
FRAMES = 15


@pytest.fixture(autouse=True)
def local_ros(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in PROFILE_VARIABLES:  # replay() sets one
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def put_on_path(folder: Path, monkeypatch, program: str) -> None:
    command = folder / "bin" / "ros2"
    command.parent.mkdir()
    command.write_text(program)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def ros2(tmp_path, monkeypatch) -> None:
    put_on_path(tmp_path, monkeypatch, f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')


def replayed(
    bag: Path, bundle: Path, **settings: object
) -> tuple[ReplayReport, list[AnsweredFrame]]:
    node = NodeSettings(parameters=(("bundle", str(bundle)),), patience=60)
    answers: list[AnsweredFrame] = []
    with own_domain() as domain:
        asked = ReplaySettings(bag, domain_id=domain, player=Player.ROS2, node=node, **settings)
        return replay(asked, lambda _: None, answers.append), answers


@pytest.mark.usefixtures("ros2")
def test_the_account_and_the_statistics_are_as_with_the_own_player(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=FRAMES, side=True)
    report, answers = replayed(
        bag,
        sam3_bundle_path,
        cues=(TextCue(0.0, "red"), PointCue(0.7, 30.5, 70.5, "front")),
        cameras=(
            CameraSource("front", IMAGES, "/front/image/compressed"),
            CameraSource("side", SIDE_IMAGES),
        ),
        rate=0.5,
        clock=True,
    )
    assert report.complete, report
    assert [camera.frames.sent for camera in report.cameras] == [FRAMES, FRAMES]
    # A busy machine loses frames; how many is not this test's business.
    assert min(camera.frames.answered for camera in report.cameras) > 5
    assert report.latency is not None
    texts = [prompt for prompt in report.prompts if prompt.kind == "text"]
    assert [text.camera for text in texts] == ["front", "side"]
    assert min(text.iou for text in texts) > 0.8
    (click,) = [prompt for prompt in report.prompts if prompt.kind == "click"]
    assert (click.asked, click.found, click.refused) == ("on the green ball", 1, "")
    assert {answer.camera for answer in answers} == {"front", "side"}
    assert children_of(os.getpid()) == []


@pytest.mark.usefixtures("ros2")
def test_each_loop_is_another_play_with_the_recorded_stamps(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=FRAMES)
    report, answers = replayed(
        bag, sam3_bundle_path, loops=2, repeat_stamps=True, cues=(TextCue(0.0, "red"),)
    )
    assert report.complete, report
    assert report.frames.sent == 2 * FRAMES
    assert {answer.loop for answer in answers} == {0, 1}


def test_a_player_that_fails_is_reported_with_its_log(sam3_bundle_path, tmp_path, monkeypatch):
    put_on_path(tmp_path, monkeypatch, "#!/bin/sh\necho no storage plugin found\nexit 3\n")
    bag = write_bag(tmp_path / "bag", frames=2)
    with pytest.raises(ReplayError, match=r"exit code 3(.|\n)*no storage plugin"):
        replayed(bag, sam3_bundle_path)
    assert children_of(os.getpid()) == []


def test_without_the_command_it_says_so_before_any_node_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReplayError, match="no ros2 command on PATH"):
        replayed(write_bag(tmp_path / "bag", frames=2), Path("/absent"))


@pytest.mark.parametrize("wrong", [{"rate": None}, {"only_every": 2}, {"loops": 2}], ids=str)
def test_what_ros2_bag_play_cannot_do_is_refused(wrong):
    with pytest.raises(ReplayError, match="ros2 bag play"):
        ReplaySettings(Path("bag"), player=Player.ROS2, **wrong)
