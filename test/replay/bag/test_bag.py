"""Bags of both storages, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from bags import CAMERA_INFO, IMAGES, LABELS, OBJECTS, RAW_IMAGES, stamp_ns, write_bag
from rosbags.rosbag2 import StoragePlugin

from sam3_ros.replay.bag.bag import BagError, open_bag
from sam3_ros.replay.bag.image_times import read_image_times
from sam3_ros.replay.bag.stamps import read_header


@pytest.fixture(scope="module")
def bag_path(tmp_path_factory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "shapes", frames=6)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_messages_come_in_time_order_from_both_storages(tmp_path, storage):
    with open_bag(write_bag(tmp_path / "bag", frames=4, storage=storage)) as bag:
        assert {name: topic.message_count for name, topic in bag.topics.items()} == {
            IMAGES: 4,
            CAMERA_INFO: 4,
            LABELS: 4,
            OBJECTS: 1,
        }
        messages = list(bag.messages())
        times = [message.at for message in messages]
        assert len(messages) == 13
        assert times == sorted(times)
        assert (times[0], bag.duration) == (0.0, pytest.approx(3 / 15, abs=1e-6))
        images = [message for message in messages if message.topic == IMAGES]
        assert [read_header(m.cdr).stamp_ns for m in images] == [stamp_ns(n) for n in range(4)]


def test_a_single_file_will_do(bag_path):
    with open_bag(next(bag_path.glob("*.mcap"))) as bag:
        assert len(list(bag.messages([IMAGES]))) == 6


def test_no_topics_are_no_messages(bag_path):
    with open_bag(bag_path) as bag:
        assert list(bag.messages([])) == []


def test_the_camera_is_found_and_the_truth_is_none(bag_path, tmp_path):
    with open_bag(bag_path) as bag:
        assert bag.image_topic().name == IMAGES
        assert bag.image_topic(LABELS).type_name == "sensor_msgs/msg/Image"
        with pytest.raises(BagError, match=f"no images on {CAMERA_INFO}"):
            bag.image_topic(CAMERA_INFO)
    with open_bag(write_bag(tmp_path / "raw", frames=1, raw=True)) as bag:
        assert bag.image_topic().name == RAW_IMAGES


def test_image_times_tell_which_image_is_the_newest(bag_path):
    with open_bag(bag_path) as bag:
        times = read_image_times(bag, IMAGES)
    assert times.period == pytest.approx(1 / 15)
    newest = [times.stamp_at(at) for at in (-1.0, 0.0, 0.9 / 15, 1.1 / 15, 99.0)]
    assert newest == [stamp_ns(n) for n in (0, 0, 0, 1, 5)]
    with open_bag(bag_path) as bag:
        every_other = read_image_times(bag, IMAGES, only_every=2)
    assert every_other.stamps_ns == times.stamps_ns[::2]
