"""Images that are kept as they came are found by their header, without depth among them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from node_client import PATIENCE
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_domains import own_domain
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.look.node.camera_images import CameraImages, ImageTopic
from sam3_ros.look.viewing import PictureStamp
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.stamps import time_message

COLOUR, DEPTH = ImageTopic("/seen", "sensor_msgs/msg/Image"), "/registered"
STAMP, FRAME = PictureStamp(1_700_000_000, 999_999_999), "camera_optical_frame"


def header(number: int = 0, frame_id: str = FRAME) -> Header:
    nanoseconds = STAMP.seconds * 10**9 + STAMP.nanoseconds + number
    return Header(stamp=time_message(nanoseconds), frame_id=frame_id)


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    with own_domain() as domain:
        context.init(domain_id=domain)
        node = Node("looking", context=context)
        yield node
        node.destroy_node()
        context.try_shutdown()


def test_an_image_is_found_by_its_header_and_depth_is_none(node: Node) -> None:
    topics = [COLOUR, ImageTopic(DEPTH, "sensor_msgs/msg/Image")]
    images = CameraImages(node, lambda: topics)
    images.need()
    colours, depths = (node.create_publisher(Image, each.name, 10) for each in topics)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)

    def heard() -> bool:
        executor.spin_once(timeout_sec=0.05)
        return bool(images.find(STAMP, FRAME) and images.find(PictureStamp(1_700_000_001, 4), "a"))

    end = time.monotonic() + PATIENCE
    while not heard():
        assert time.monotonic() < end
        # The depth of the same moment comes last.
        colours.publish(image_message(pixels, "rgb8", header()))
        colours.publish(image_message(pixels + 1, "rgb8", header(5, "a")))
        depths.publish(image_message(np.ones((2, 4), np.uint16), "16UC1", header()))
    found = images.find(STAMP, FRAME)
    assert isinstance(found, Image) and found.encoding == "rgb8"
    np.testing.assert_array_equal(np.frombuffer(found.data, np.uint8), pixels.ravel())
    assert images.find(PictureStamp(1_700_000_000, 1), FRAME) is None
    assert images.find(STAMP, "another") is None

    images.release()
    assert images.find(STAMP, FRAME) is None and not images.has_topics
    executor.shutdown()


def test_images_are_kept_until_others_are_answered(node: Node) -> None:
    images = CameraImages(node, lambda: [COLOUR])
    images.need()
    publisher = node.create_publisher(Image, COLOUR.name, 10)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    pixels = np.zeros((2, 4, 3), np.uint8)

    def of(second: int) -> PictureStamp:
        return PictureStamp(second, 0)

    for second in range(1, 31):
        end = time.monotonic() + PATIENCE
        while images.find(of(second), FRAME) is None:
            assert time.monotonic() < end
            stamp = time_message(second * 10**9)
            publisher.publish(image_message(pixels, "rgb8", Header(stamp=stamp, frame_id=FRAME)))
            executor.spin_once(timeout_sec=0.05)
    # A slow model has answered none of them: all are there.
    assert images.find(of(1), FRAME) is not None
    images.note_answer(of(20))
    assert images.find(of(1), FRAME) is None
    # A click may answer one that the node has kept.
    assert images.find(of(15), FRAME) is not None and images.find(of(30), FRAME) is not None
    images.note_answer(of(99))
    assert images.find(of(15), FRAME) is not None
    images.release()
    executor.shutdown()


def test_topics_may_change_while_images_are_needed(node: Node) -> None:
    topics = [COLOUR]
    images = CameraImages(node, lambda: topics)
    images.need()
    topics[:] = [ImageTopic("/seen/compressed", "sensor_msgs/msg/CompressedImage")]
    images.refresh()
    publisher = node.create_publisher(CompressedImage, "/seen/compressed", 10)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + PATIENCE
    while images.find(STAMP, FRAME) is None:
        assert time.monotonic() < end
        publisher.publish(CompressedImage(header=header(), format="jpeg", data=b"\xff\xd8\xff"))
        executor.spin_once(timeout_sec=0.05)
    assert isinstance(images.find(STAMP, FRAME), CompressedImage)
    assert not node.get_subscriptions_info_by_topic("/seen")
    images.release()
    executor.shutdown()
