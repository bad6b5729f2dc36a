"""Calls of ~/segment among the frames and clicks that wait."""

from __future__ import annotations

import pytest
from sam3_ros.srv import Segment
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.ros.frames.one_shot import OneShot
from sam3_ros.ros.frames.queue import (
    CLICKS_IN_A_ROW,
    MOST_CALL_BYTES,
    MOST_CALLS,
    FrameQueue,
)
from sam3_ros.ros.frames.work import Clicks, Frame


def frame(stamp: int, camera: str = "") -> Frame:
    header = Header()
    header.stamp.sec = stamp
    return Frame(Image(header=header), camera)


def call(camera: str = "", image: Image | None = None) -> OneShot:
    def respond(_: Segment.Response) -> None: ...

    return OneShot((ConceptPrompt("cube"),), image, camera, respond)


def test_calls_are_taken_in_their_order_and_before_frames():
    queue, calls = FrameQueue(), [call(image=Image(width=1)) for _ in range(3)]
    queue.put(frame(1))
    for each in calls:
        queue.put_call(each)
    assert [queue.take() for _ in calls] == calls
    assert isinstance(queue.take(), Frame)


def test_the_newest_frame_of_its_camera_goes_before_a_call_and_is_not_replaced():
    queue, asked, other = FrameQueue(), frame(1, "front"), frame(1, "left")
    queue.put(other)
    queue.put(asked)
    about = call("front")
    queue.put_call(about)
    assert queue.put(frame(2, "front")) is None
    assert [queue.take(), queue.take()] == [asked, about]


def test_a_click_that_came_first_goes_first():
    queue, first = FrameQueue(), call()
    queue.put_call(first)
    queue.put_clicks((), "", 7)
    last = call()
    queue.put_call(last)
    assert queue.take() is first
    assert isinstance(queue.take(), Clicks)
    assert queue.take() is last


def test_a_flood_of_calls_lets_frames_through():
    queue = FrameQueue()
    queue.put(frame(1))
    for _ in range(CLICKS_IN_A_ROW + 1):
        queue.put_call(call(image=Image(width=1)))
    kinds = [type(queue.take()) for _ in range(CLICKS_IN_A_ROW + 2)]
    assert kinds == [*[OneShot] * CLICKS_IN_A_ROW, Frame, OneShot]


def test_too_many_calls_are_refused_and_all_that_wait_are_handed_back():
    queue, calls = FrameQueue(), [call() for _ in range(MOST_CALLS)]
    for each in calls:
        queue.put_call(each)
    with pytest.raises(PromptError, match=f"{MOST_CALLS} calls wait"):
        queue.put_call(call())
    assert queue.calls() == MOST_CALLS
    assert list(queue.close()) == calls
    with pytest.raises(PromptError):
        queue.put_call(call())


def test_images_that_wait_have_a_bound_together_but_one_may_be_large():
    def with_bytes(count: int) -> OneShot:
        image = Image()
        image.data.frombytes(bytes(count))
        return call(image=image)

    queue = FrameQueue()
    queue.put_call(with_bytes(MOST_CALL_BYTES + 1))
    with pytest.raises(PromptError, match=f"has 1000, together more than {MOST_CALL_BYTES}"):
        queue.put_call(with_bytes(1000))
    queue.put_call(call())  # about a camera's image
    assert queue.calls() == 2
    queue.take()
    queue.put_call(with_bytes(1000))
