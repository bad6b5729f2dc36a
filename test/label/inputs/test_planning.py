"""What of a source is planned, and why one is set aside."""

from __future__ import annotations

from pathlib import Path

import bags
import numpy as np
import odd_bags
import pytest

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.label.inputs.being_written import OpenFiles
from sam3_ros.label.inputs.discovery import find_sources
from sam3_ros.label.inputs.planning import SourcePlan, plan_source
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.read_settings import ReadSettings

RAW = "sensor_msgs/msg/Image"


def planned(path: Path, selection: Selection | None = None) -> SourcePlan:
    (found,) = find_sources([str(path)]).sources
    selection = selection or Selection(chunk_frames=4)
    return plan_source(found, found.name, selection, ReadSettings(), OpenFiles())


def depth_cdr(number: int) -> bytes:
    header = bags._header(bags.stamp_ns(number))
    image = bags.STORE.types[RAW](header, 8, 8, "32FC1", 0, 32, np.zeros(256, np.uint8))
    return bytes(bags.STORE.serialize_cdr(image, RAW))


def test_every_topic_is_cut_into_chunks(tmp_path):
    plan = planned(bags.write_bag(tmp_path / "bag", 5, side=True))
    assert [(each.topic, each.number, len(each.frames)) for each in plan.chunks] == [
        (bags.IMAGES, 0, 4),
        (bags.IMAGES, 1, 1),
        (bags.SIDE_IMAGES, 2, 4),
        (bags.SIDE_IMAGES, 3, 1),
    ]
    assert plan == SourcePlan.of_document(plan.document())
    spans = planned(tmp_path / "bag", Selection(chunk_frames=3, track=True)).chunks
    assert [each.span for each in spans] == [0, 1, 0, 1]


def test_a_topic_that_is_named_and_absent_is_told(tmp_path):
    selection = Selection(topics=(bags.IMAGES, "/absent"), chunk_frames=9)
    plan = planned(bags.write_bag(tmp_path / "bag", 2, side=True), selection)
    assert [each.topic for each in plan.chunks] == [bags.IMAGES]
    assert plan.left_out == (("/absent", "there are no images on it"),)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_bytes(b"no bag at all, but long enough"), "is no bag"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"age-encryption.org/v1\n"), "is encrypted: decrypt it"),
        (lambda path: path.write_bytes(b"#ROSBAG V2.0\n"), "ROS 1 bag: convert it"),
        (
            lambda path: odd_bags.write_mcap(
                path, [], topic="/a", type_name="std_msgs/msg/String", beside=[odd_bags.Odd("/b")]
            ),
            "no topic of images",
        ),
        (
            lambda path: odd_bags.write_mcap(path, [depth_cdr(0)], topic="/d", type_name=RAW),
            "/d: its images are '32FC1'",
        ),
    ],
    ids=["none", "empty", "encrypted", "ros1", "no images", "depth"],
)
def test_a_bag_that_cannot_be_labelled_is_set_aside(tmp_path, write, said):
    path = tmp_path / "bag.mcap"
    write(path)
    with pytest.raises(Sam3RosError, match=said):
        planned(path)


def test_a_bag_that_is_being_written_is_set_aside(tmp_path, monkeypatch):
    path = odd_bags.write_mcap(tmp_path / "bag.mcap", [odd_bags.jpeg_cdr(0)])
    monkeypatch.setattr(OpenFiles, "being_written", lambda _, files: set(files))
    with pytest.raises(Sam3RosError, match="being written right now"):
        planned(path)
