"""What a running node says and finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rclpy.context import Context
from rclpy.node import Node
from ros_domains import own_domain
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from sam3_ros.live.watch import NodeWatch


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    with own_domain() as domain:
        context.init(domain_id=domain)
        yield context
        context.try_shutdown()


def test_a_node_takes_images_from_what_it_subscribes_to_once_it_is_known(context):
    watch = NodeWatch(Node("watching", context=context), context, "/robot/see")
    assert watch.image_topics() == []
    other = Node("other", context=context)
    other.create_subscription(Image, "/rear", print, 1)
    node = Node("see", namespace="/robot", context=context)
    node.create_subscription(CompressedImage, "/right", print, 1)
    node.create_subscription(Image, "/left", print, 1)
    node.create_subscription(String, "/words", print, 1)
    node.create_publisher(Image, "~/overlay", 1)
    assert watch.wait(60.0, lambda: watch.image_topics() == ["/left", "/right"])
    watch.close()
