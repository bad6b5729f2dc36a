"""Two cameras, as fast as they are answered, with the clock: every replay the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from bags import HEIGHT, IMAGES, SIDE_FRAME_ID, SIDE_IMAGES, WIDTH, write_bag
from node_under_test import ENVIRONMENT
from ros_domains import own_domain

from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, RemoveCue, TextCue
from sam3_ros.replay.ask.settings import CameraSource, NodeSettings, ReplaySettings
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import PromptReport, ReplayReport
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

GOOD = 0.8
FRAMES = 12
BOTH = (CameraSource("front", IMAGES), CameraSource("side", SIDE_IMAGES))


@pytest.fixture(autouse=True)
def local_ros(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in PROFILE_VARIABLES:  # replay() sets one
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def two_cameras(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=FRAMES, side=True)


@pytest.fixture(scope="module")
def one_camera(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=FRAMES)


def replayed(
    bag: Path, bundle: Path, **settings: object
) -> tuple[ReplayReport, list[AnsweredFrame]]:
    """Replay the bag as fast as it is answered; return the report and the answers."""
    node = NodeSettings(parameters=(("bundle", str(bundle)),), patience=60)
    answers: list[AnsweredFrame] = []
    with own_domain() as domain:
        report = replay(
            ReplaySettings(bag, domain_id=domain, rate=None, node=node, **settings),
            lambda _: None,
            answers.append,
        )
    assert report.complete, report
    return report, answers


def rows(report: ReplayReport) -> dict[tuple[str, str, str], PromptReport]:
    return {(prompt.camera, prompt.kind, prompt.asked): prompt for prompt in report.prompts}


def test_as_fast_as_answered_every_image_is_answered_and_certain(one_camera, sam3_bundle_path):
    cues = (TextCue(0.0, "red"), TextCue(0.3, "blue; yellow"), PointCue(0.5, 25.5, 28.5))
    report, answers = replayed(one_camera, sam3_bundle_path, cues=cues)
    assert (report.frames.sent, report.frames.answered) == (FRAMES, FRAMES)
    assert all(answer.certain for answer in answers)
    firsts = [answer for answer in answers if not answer.repeat]
    stamps = [answer.bag_stamp_ns for answer in firsts]
    assert len(stamps) == FRAMES
    assert stamps == sorted(stamps)
    # The click is answered on the image it was placed on, before the next one is sent.
    assert [(a.repeat, a.holds("point")) for a in answers if a.repeat or a.holds("point")] == [
        (True, True)
    ]
    assert report.cameras[0].click_answers == 1
    found = rows(report)
    assert [found["", "text", name].frames for name in ("red", "blue", "yellow")] == [5, 7, 7]
    assert min(prompt.iou for prompt in found.values()) > GOOD


def test_as_fast_as_answered_does_not_wait_for_what_was_dropped(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=6, broken=frozenset({2, 5}))
    report, answers = replayed(bag, sam3_bundle_path, cues=(TextCue(0.0, "red"),))
    assert (report.frames.answered, report.frames.dropped) == (4, {"undecodable": 2})
    assert all(answer.certain for answer in answers)


def test_two_cameras_have_an_account_and_answers_of_their_own(
    two_cameras, sam3_bundle_path, tmp_path
):
    cues = (
        TextCue(0.0, "red"),
        TextCue(0.0, "green", camera="side"),
        PointCue(0.2, 25.5, 28.5, "front"),
        BoxCue(0.4, WIDTH - 82 - 28, 14, WIDTH - 82, 42, "side", on=On.IMAGE),
    )
    report, answers = replayed(
        two_cameras, sam3_bundle_path, cues=cues, cameras=BOTH, out=tmp_path / "out"
    )
    assert [camera.frames.answered for camera in report.cameras] == [FRAMES, FRAMES]
    assert [camera.click_answers for camera in report.cameras] == [1, 1]
    assert {a.frame_id for a in answers if a.camera == "side"} == {SIDE_FRAME_ID}
    assert all(a.certain and a.labels.shape == (HEIGHT, WIDTH) for a in answers)
    found = rows(report)
    assert set(found) == {
        ("front", "text", "red"),
        ("front", "click", "on the red cube"),
        ("side", "text", "red"),
        ("side", "text", "green"),
        ("side", "box", "on the blue cube"),
    }
    assert min(prompt.iou for prompt in found.values()) > GOOD
    assert [Path(file).stem for file in report.files] == [
        "overlay_front",
        "contact_sheet_front",
        "overlay_side",
        "contact_sheet_side",
    ]


def test_a_tracking_click_is_followed_until_it_is_removed(one_camera, sam3_bundle_path):
    cues = (
        PointCue(0.2, 28.5, 70.5, tracking=True, id="ball"),
        TextCue(0.3, "blue cube", id="cube"),
        RemoveCue(0.6, "ball"),
    )
    report, answers = replayed(one_camera, sam3_bundle_path, cues=cues)
    followed, text = report.prompts
    assert (followed.kind, followed.asked, followed.lost) == ("followed", "green ball", "")
    # From the fourth image on, up to the ninth.
    assert (followed.frames, followed.found) == (6, 6)
    assert followed.iou > GOOD
    assert [answer.holds("ball") for answer in answers if not answer.repeat] == [
        3 < number < 9 for number in range(FRAMES)
    ]
    assert (text.asked, text.frames) == ("blue cube", FRAMES - 5)
    assert text.iou > GOOD


def test_the_clock_may_jump_back_with_every_loop(one_camera, sam3_bundle_path):
    report, answers = replayed(
        one_camera,
        sam3_bundle_path,
        cues=(TextCue(0.0, "red"),),
        clock=True,
        loops=2,
        repeat_stamps=True,
        only_every=3,
    )
    sent = len(range(0, FRAMES, 3))
    assert (report.frames.sent, report.frames.answered) == (2 * sent, 2 * sent)
    assert [answer.loop for answer in answers] == [0] * sent + [1] * sent
    stamps = [answer.bag_stamp_ns for answer in answers]
    assert stamps[:sent] == stamps[sent:]
    assert report.prompts[0].frames == 2 * sent
    assert report.prompts[0].iou > GOOD
