"""A bag with depth through a real node: where its objects are, and truth that they are held to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bags import DEPTH, IMAGES, RATE, THINGS, write_bag
from golden_scenes import failures
from node_under_test import ENVIRONMENT
from ros_domains import own_domain

from sam3_ros.replay.ask.cues import TextCue
from sam3_ros.replay.ask.depth import find_depth, has_depth_beside
from sam3_ros.replay.ask.settings import (
    BESIDE_IMAGES,
    CameraSource,
    NodeSettings,
    ReplayError,
    ReplaySettings,
)
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.golden.checks import check_replay
from sam3_ros.replay.golden.expectation import Limits
from sam3_ros.replay.golden.judge import FrameRecord
from sam3_ros.replay.replay import replay
from sam3_ros.replay.report.places import errors_of
from sam3_ros.replay.report.report import ReplayReport
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES

FRAMES, OFF = 4, 0.1
CUES = (TextCue(0.0, "red; blue"), TextCue(1.5 / RATE, "green"))
WITHIN = Limits(centre_p50_m=0.02, centre_p95_m=0.03, without_place=0)


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=FRAMES, depth=True)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bags") / "bag"
    return write_bag(folder, frames=FRAMES, depth=True, places_off_m=OFF)


@pytest.fixture(scope="module", autouse=True)
def local_ros():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in PROFILE_VARIABLES:  # replay() sets one
            patch.setenv(name, "")
            patch.delenv(name)
        yield


def replayed(path: Path, bundle: Path, depth: str | None) -> ReplayReport:
    with own_domain() as domain:
        node = NodeSettings(parameters=(("bundle", str(bundle)),))
        cameras = (CameraSource(depth=depth),)
        settings = ReplaySettings(
            path, CUES, rate=None, cameras=cameras, node=node, domain_id=domain
        )
        return replay(settings, lambda _progress: None)


@pytest.fixture(scope="module")
def report(bag, sam3_bundle_path) -> ReplayReport:
    return replayed(bag, sam3_bundle_path, BESIDE_IMAGES)


def verdict_of(report: ReplayReport, limits: Limits = WITHIN) -> str:
    """Return why places fail; empty if they pass."""
    verdicts = check_replay(report, FrameRecord(judged=1), (), limits)
    (places,) = (verdict for verdict in verdicts if verdict.name == "places")
    return "; ".join(places.failures)


def test_each_object_that_is_found_is_where_the_truth_says(report):
    found = {place.prompt_id: place for place in report.places}
    assert {name: place.name for name, place in found.items()} == {
        "red": "red cube",
        "blue": "blue cube",
        "green": "green ball",
    }
    assert found["red"].found == found["red"].placed
    assert found["red"].placed + found["green"].placed == FRAMES
    errors = errors_of([error for place in report.places for error in place.errors_m])
    assert errors is not None
    assert 0 < errors.median_m <= errors.p95_m <= errors.worst_m < 0.03
    assert verdict_of(report) == ""
    size = THINGS[0].size / 100 * 0.8  # px, focal length, m
    assert found["red"].box_m[:2] == pytest.approx((size, size), abs=0.03)


def test_truth_that_is_elsewhere_fails_with_the_reason(shifted, sam3_bundle_path):
    report = replayed(shifted, sam3_bundle_path, DEPTH)
    told = verdict_of(report)
    assert "centres are off by 0.1" in told or "centres are off by 0.09" in told
    assert "m in the median, expected 0.02 m or less" in told
    assert "at p95, expected 0.03 m or less" in told


def test_objects_without_a_place_are_counted_with_the_reason(report):
    first, *others = report.places
    worse = replace(first, found=first.found + 2, reasons=("no depth",))
    told = verdict_of(replace(report, places=(worse, *others)))
    assert told == "2 objects have no place (no depth), expected 0 or fewer"


def test_limits_without_anything_to_judge_fail(report):
    without = replace(report, places=(), has_places=False)
    assert "play has no depth, or the bag no /truth/places" in verdict_of(without)
    assert "nothing that was found has a place" in verdict_of(replace(report, places=()))
    names = [v.name for v in check_replay(without, FrameRecord(judged=1), (), Limits())]
    assert "places" not in names
    assert failures(check_replay(report, FrameRecord(judged=1), (), Limits())).get("places") is None


def test_depth_is_no_camera_and_is_found_beside_one(bag):
    with open_bag(bag) as opened:
        assert opened.camera_topics == [IMAGES]
        assert opened.is_depth(DEPTH)
        assert not opened.is_depth(IMAGES)
        assert has_depth_beside(opened, IMAGES)
        depth = find_depth(opened, CameraSource(depth=BESIDE_IMAGES), opened.topics[IMAGES])
        assert (depth.base_topic, depth.info) == (DEPTH, "/camera/depth/camera_info")
        assert find_depth(opened, CameraSource(), opened.topics[IMAGES]) is None


@pytest.mark.parametrize("asked", [IMAGES, "/elsewhere"])
def test_what_is_no_depth_is_refused_with_what_is_there(bag, asked):
    with open_bag(bag) as opened, pytest.raises(ReplayError, match=f"on {asked}; it has {DEPTH}"):
        find_depth(opened, CameraSource(depth=asked), opened.topics[IMAGES])


def test_a_bag_without_depth_is_refused(tmp_path):
    path = write_bag(tmp_path / "bag", frames=1)
    with open_bag(path) as opened, pytest.raises(ReplayError, match=r"no depth .* it has none"):
        assert not has_depth_beside(opened, IMAGES)
        find_depth(opened, CameraSource(depth=BESIDE_IMAGES), opened.topics[IMAGES])
