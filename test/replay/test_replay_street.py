"""A real camera's bag through the node, where it exists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from node_under_test import ENVIRONMENT
from ros_domains import own_domain

from sam3_ros.replay.ask.cues import BoxCue, PointCue, TextCue
from sam3_ros.replay.ask.settings import NodeSettings, ReplaySettings
from sam3_ros.replay.replay import replay
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

VARIABLE = "SAM3_ROS_STREET_BAG"
BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared" / "data" / "street"
FRAMES = 101


def street_bag() -> Path:
    path = Path(os.environ.get(VARIABLE) or BESIDE_THE_REPOSITORY)
    if not (path / "metadata.yaml").exists():
        pytest.skip(f"the street bag is no part of the project; name its folder in {VARIABLE}")
    return path


def test_every_frame_of_a_real_camera_is_accounted_for(sam3_bundle_path, tmp_path, monkeypatch):
    bag = street_bag()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in PROFILE_VARIABLES:  # replay() sets one
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    cues = (
        TextCue(0.0, "red"),
        PointCue(2.0, 240.0, 300.0),
        BoxCue(3.0, 100, 100, 180, 160),
        PointCue(4.0, 600.0, 10.0),
    )
    node = NodeSettings(parameters=(("bundle", str(sam3_bundle_path)),))
    with own_domain() as domain:
        settings = ReplaySettings(bag, cues, node=node, out=tmp_path, domain_id=domain)
        report = replay(settings, lambda _: None)

    # complete: every stamp and frame_id that came back is one that was sent.
    assert report.complete, report
    assert report.frames.sent == FRAMES
    assert report.frames.answered > FRAMES / 4
    text, click, box, outside = report.prompts
    assert text.frames > 0
    assert (click.frames, click.refused, box.frames, box.refused) == (1, "", 1, "")
    assert "outside" in outside.refused
    assert len(report.files) == 2
