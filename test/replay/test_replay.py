"""Bags through the real node in its own process, over real DDS."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cv2
import pytest
from bags import write_bag
from node_under_test import ENVIRONMENT, running_node
from processes import children_of
from ros_domains import own_domain

from sam3_ros.replay.ask.cues import BoxCue, PointCue, TextCue
from sam3_ros.replay.ask.settings import CameraSource, NodeSettings, ReplayError, ReplaySettings
from sam3_ros.replay.bag.bag import BagError
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.report import ReplayReport
from sam3_ros.replay.under_test.node import NodeFailedError
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

GOOD = 0.8


@pytest.fixture(autouse=True)
def local_ros(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in PROFILE_VARIABLES:  # replay() sets one
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def replayed(bag: Path, *, progress=lambda _: None, **settings: object) -> ReplayReport:
    with own_domain() as domain:
        return replay(ReplaySettings(bag, domain_id=domain, **settings), progress)


def node_of(bundle: Path, **parameters: str) -> NodeSettings:
    return NodeSettings(parameters=(("bundle", str(bundle)), *parameters.items()), patience=60)


def test_texts_clicks_and_boxes_are_answered_and_judged(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=30, broken=frozenset({18, 19, 20, 21}))
    cues = (
        TextCue(0.0, "red"),
        TextCue(0.8, "blue; yellow; mug, cup"),
        PointCue(1.1, 25.5, 28.5),
        BoxCue(1.5, 82, 16, 110, 44),
        PointCue(1.7, 5000.0, 5.0),
    )
    told = []
    report = replayed(
        bag,
        cues=cues,
        rate=0.5,
        node=node_of(sam3_bundle_path),
        out=tmp_path / "out",
        progress=told.append,
    )

    assert report.complete, report
    assert report.frames.sent == 30
    # A busy machine loses frames; how many is not this test's business.
    assert 1 <= report.frames.dropped.get("undecodable", 0) <= 4
    assert report.frames.answered > 10
    assert report.missing_scores == 0
    assert report.latency is not None
    assert [progress.sent for progress in told] == sorted(progress.sent for progress in told)

    by_name = {(prompt.kind, prompt.asked): prompt for prompt in report.prompts}
    for phrase in ("red", "blue", "yellow"):
        text = by_name["text", phrase]
        assert text.frames == text.found == text.judged > 0
        assert text.iou > GOOD
    for kind, asked in (("click", "on the red cube"), ("box", "on the blue cube")):
        assert (by_name[kind, asked].frames, by_name[kind, asked].found) == (1, 1)
        assert by_name[kind, asked].iou > GOOD
    assert "outside" in by_name["click", "at 5000,5"].refused
    (warning,) = report.prompt_warnings
    assert "'mug, cup' is asked as one phrase" in warning

    assert [Path(file).name for file in report.files][1:] == ["contact_sheet.png"]
    assert cv2.VideoCapture(report.files[0]).read()[0]
    assert "active" in (tmp_path / "out" / "node.log").read_text()
    assert children_of(os.getpid()) == []


def test_raw_images_and_several_loops(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=6, raw=True, truth=False)
    node = node_of(sam3_bundle_path, prompts="['red']", mask_encoding="mono16")
    report = replayed(bag, loops=3, node=node)
    assert report.complete, report
    assert report.frames.sent == 18
    assert report.frames.answered > 0
    assert not report.has_truth
    assert report.files == ()


def test_a_node_that_runs_already_is_used(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=10)
    settings = {"bundle": sam3_bundle_path, "image_transport": "compressed"}
    with running_node(tmp_path, **settings) as (process, client):
        client.connected()
        common = {"bag": bag, "domain_id": client.context.get_domain_id()}
        with pytest.raises(ReplayError, match="--no-node"):
            replay(ReplaySettings(**common), lambda _: None)
        report = replay(
            ReplaySettings(
                **common,
                cues=(TextCue(0.0, "green"),),
                node=NodeSettings(starts_here=False),
                cameras=(CameraSource(publish_as="/image/compressed"),),
            ),
            lambda _: None,
        )
        assert process.process.poll() is None
    assert report.complete, report
    assert report.frames.sent == 10
    assert report.prompts[0].iou > GOOD


def test_a_node_that_cannot_be_configured_says_why(tmp_path):
    bag = write_bag(tmp_path / "bag", frames=2)
    with pytest.raises(NodeFailedError, match="no bundle '/absent'"):
        replayed(bag, node=node_of(Path("/absent")))
    assert children_of(os.getpid()) == []


def test_a_node_that_dies_on_the_way_ends_the_replay(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=100)

    def kill_the_node(progress) -> None:
        if progress.sent == 3:
            for pid in children_of(os.getpid()):
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(NodeFailedError, match="signal SIGKILL"):
        replayed(bag, node=node_of(sam3_bundle_path), progress=kill_the_node)
    assert children_of(os.getpid()) == []


def test_a_node_that_is_not_there_is_reported(tmp_path):
    bag = write_bag(tmp_path / "bag", frames=2)
    node = NodeSettings("/elsewhere/node", starts_here=False, patience=0.5)
    with pytest.raises(NodeFailedError, match="nothing on /diagnostics"):
        replayed(bag, node=node)


def test_a_bag_without_images_is_refused_before_any_node_starts(tmp_path):
    with pytest.raises(BagError, match="there is no bag"):
        replayed(tmp_path / "absent")


def test_images_on_a_topic_that_the_node_cannot_hear_are_refused(sam3_bundle_path, tmp_path):
    bag = write_bag(tmp_path / "bag", frames=2)
    with pytest.raises(ReplayError, match="end in /compressed"):
        replayed(bag, cameras=(CameraSource(publish_as="/jpeg"),), node=node_of(sam3_bundle_path))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0.0},
        {"rate": float("nan")},
        {"loops": 0},
        {"only_every": 0},
        {"cameras": ()},
        {"cameras": (CameraSource("a"), CameraSource())},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ReplayError, match="expected"):
        ReplaySettings(Path("bag"), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "node"},
        {"patience": 0.0},
        {"starts_here": False, "parameters": (("bundle", "x"),)},
    ],
    ids=str,
)
def test_node_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ReplayError):
        NodeSettings(**wrong)
