"""Images of a range of a source."""

from __future__ import annotations

import bags
import cv2
import numpy as np
import odd_bags
import pytest
from rosbags.rosbag2 import StoragePlugin

from sam3_ros.label.chunk import FramePlace, LabelSource, SourceKind
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.reading.bag import LOST
from sam3_ros.label.reading.opening import open_reader
from sam3_ros.label.reading.video import video_place


def read(kind, path, topic, places, step=None):
    reader = open_reader(LabelSource(kind, str(path), "source", ""))
    try:
        return list(reader.frames(topic, places, step))
    finally:
        reader.close()


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_range_of_a_bag_is_that_range(tmp_path, storage):
    bag = bags.write_bag(tmp_path / "bag", 9, raw=True, storage=storage)
    places = Selection(every=2).of_times([bags.stamp_ns(n) for n in range(9)])[1:4]
    found = read(SourceKind.BAG, bag, bags.RAW_IMAGES, places)
    assert [each.place.index for each in found] == [2, 4, 6]
    for each in found:
        assert np.array_equal(each.rgb, bags.frame(each.place.index)[0])
        assert each.stamp_ns == bags.stamp_ns(each.place.index)


def test_what_a_bag_lacks_is_a_failure_at_its_place(tmp_path):
    images = [odd_bags.jpeg_cdr(0), odd_bags.jpeg_cdr(1, kept=0.5), odd_bags.jpeg_cdr(2, stamp=0)]
    path = odd_bags.write_mcap(tmp_path / "bag.mcap", images)
    times = [*(bags.stamp_ns(n) for n in range(3)), bags.stamp_ns(3)]
    found = read(SourceKind.BAG, path, bags.IMAGES, Selection().of_times(times))
    assert [bool(each.failure) for each in found] == [False, True, False, True]
    assert found[2].stamp_ns == bags.stamp_ns(2)  # that of the recording
    assert found[3].failure == LOST


def test_images_of_one_time_are_read_in_their_order(tmp_path):
    bag = tmp_path / "bag"
    with bags.Writer(bag, version=9) as writer:
        connection = writer.add_connection(bags.IMAGES, odd_bags.JPEG, typestore=bags.STORE)
        for number in range(4):
            writer.write(connection, 5, odd_bags.jpeg_cdr(number))
    places = Selection(every=3).of_times([5, 5, 5, 5])
    found = read(SourceKind.BAG, bag, bags.IMAGES, places)
    assert [each.stamp_ns for each in found] == [bags.stamp_ns(0), bags.stamp_ns(3)]


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.avi"
    size = (bags.WIDTH, bags.HEIGHT)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    for number in range(6):
        video.write(np.full((bags.HEIGHT, bags.WIDTH, 3), number * 40, np.uint8))
    video.release()
    return path


@pytest.mark.parametrize(
    ("numbers", "step", "expected"),
    [([1, 3], None, [1, 3]), ([1], 2, [1, 3, 5]), ([0], 4, [0, 4])],
)
def test_pictures_of_a_video_are_read_by_number(film, numbers, step, expected):
    places = [video_place(number, 10.0) for number in numbers]
    found = read(SourceKind.VIDEO, film, "/image", places, step)
    assert [each.place.index for each in found] == expected
    assert [round(float(each.rgb.mean()) / 40) for each in found] == expected
    assert [each.stamp_ns for each in found] == [number * 100_000_000 for number in expected]


def test_what_a_videos_header_promises_too_much_is_a_failure(film):
    found = read(SourceKind.VIDEO, film, "/image", [video_place(5, 10.0), video_place(9, 10.0)])
    assert [bool(each.failure) for each in found] == [False, True]
    assert "ends after 6 pictures" in found[1].failure


@pytest.mark.parametrize(("promised", "lost"), [(7, 0), (8, 0), (9, 3)])
def test_what_lacks_at_the_end_is_told_unless_the_header_was_rounded(film, promised, lost):
    places = [video_place(number, 10.0) for number in range(promised)]
    found = read(SourceKind.VIDEO, film, "/image", places, 1)
    assert [bool(each.failure) for each in found] == [False] * 6 + [True] * lost


def test_a_picture_that_is_none_costs_itself_alone(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), bags.frame(0)[0][..., ::-1])
    (tmp_path / "b.png").write_bytes(b"no picture")
    places = [FramePlace(0, 0, "a.png"), FramePlace(1, 10**9, "b.png"), FramePlace(2, 0, "c.png")]
    found = read(SourceKind.PICTURES, tmp_path, "/image", places)
    assert np.array_equal(found[0].rgb, bags.frame(0)[0])
    assert [bool(each.failure) for each in found] == [False, True, True]
