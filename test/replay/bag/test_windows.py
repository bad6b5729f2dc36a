"""A part of a recording, and when its messages came, whatever its files are like."""

from __future__ import annotations

import bags
import odd_bags
import pytest
from mcap.reader import make_reader

from sam3_ros.replay.bag.bag import TimeWindow, open_bag

COUNT = 8


def cut_mcap(path):
    odd_bags.write_mcap(path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)])
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    "write",
    [
        lambda path: odd_bags.write_mcap(path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)]),
        lambda path: odd_bags.write_mcap(
            path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)], chunk_size=10**6
        ),
        lambda path: odd_bags.write_mcap(
            path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)], summary=False
        ),
        lambda path: odd_bags.write_mcap(
            path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)], chunked=False
        ),
        cut_mcap,
        lambda path: odd_bags.write_sqlite(path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)]),
        lambda path: odd_bags.write_sqlite(
            path, [odd_bags.jpeg_cdr(n) for n in range(COUNT)], journal="wal"
        ),
    ],
    ids=["mcap", "one chunk", "no index", "no chunks", "cut", "sqlite", "sqlite with wal"],
)
def test_a_window_has_the_messages_of_its_times(tmp_path, write):
    path = tmp_path / "bag.mcap"
    write(path)
    with open_bag(path) as bag:
        times = bag.times(bags.IMAGES)
        assert times == [message.time_ns for message in bag.recorded(bags.IMAGES)]
        assert times == [bags.stamp_ns(n) for n in range(len(times))]
        assert len(times) >= COUNT - 1
        window = TimeWindow(times[2], times[4])
        found = list(bag.recorded(bags.IMAGES, window))
        assert [message.time_ns for message in found] == times[2:5]
        assert [message.data for message in found] == [odd_bags.jpeg_cdr(n) for n in (2, 3, 4)]
        assert bag.times("/absent") == []


@pytest.mark.parametrize("place", ["length", "channel"])
def test_an_index_that_is_damaged_is_passed_over(tmp_path, place):
    path = odd_bags.write_mcap(tmp_path / "bag.mcap", [odd_bags.jpeg_cdr(n) for n in range(3)])
    with open_bag(path) as bag:
        times = bag.times(bags.IMAGES)
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        offsets = [
            offset
            for index in make_reader(file).get_summary().chunk_indexes
            for offset in index.message_index_offsets.values()
        ]
    for offset in offsets:
        data[offset + {"length": 7, "channel": 9}[place]] = 0x7F
    path.write_bytes(data)
    with open_bag(path) as bag:
        assert bag.times(bags.IMAGES) == times


def test_stamps_are_those_that_were_recorded(tmp_path):
    images = [odd_bags.jpeg_cdr(n, stamp=7) for n in range(3)]
    path = odd_bags.write_mcap(tmp_path / "bag.mcap", images)
    with open_bag(path) as bag:
        assert [message.data for message in bag.recorded(bags.IMAGES)] == images
