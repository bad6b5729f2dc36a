"""The pictures of a source are published at its pace, without ROS."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sam3_ros.live.camera import publish_all


class Pictures:
    """A source of small pictures that hold their numbers."""

    def __init__(self, count: int, rate: float | None) -> None:
        self.name, self.rate = "pictures", rate
        self._count, self._next = count, 1

    def read(self):
        if self._next >= self._count:
            return None
        self._next += 1
        return np.full((1, 1, 3), self._next - 1, np.uint8)

    def rewind(self) -> None:
        self._next = 0

    def close(self) -> None: ...


FIRST = np.zeros((1, 1, 3), np.uint8)


def published(source: Pictures, rate: float | None = None, loop: bool = False, most: int = 99):
    numbers: list[int] = []
    stopped = threading.Event()

    def publish(picture) -> None:
        numbers.append(int(picture[0, 0, 0]))
        if len(numbers) == most:
            stopped.set()

    count = publish_all(source, FIRST, rate, loop, publish, stopped)
    assert count == len(numbers)
    return numbers


def test_every_picture_of_a_video_is_published_once():
    assert published(Pictures(4, rate=500.0)) == [0, 1, 2, 3]


def test_a_loop_begins_again_with_the_first():
    assert published(Pictures(3, rate=500.0), loop=True, most=7) == [0, 1, 2, 0, 1, 2, 0]


def test_a_rate_slows_a_video_and_leaves_pictures_of_a_camera_out():
    assert published(Pictures(3, rate=1.0), rate=500.0) == [0, 1, 2]  # not by its own rate
    assert published(Pictures(50, rate=None), rate=1.0) == [0]
    assert published(Pictures(3, rate=None)) == [0, 1, 2]


def test_the_end_of_the_input_stops_it_while_it_waits():
    source, stopped = Pictures(3, rate=0.01), threading.Event()
    threading.Timer(0.05, stopped.set).start()
    assert publish_all(source, FIRST, None, False, lambda _: None, stopped) == pytest.approx(1)
