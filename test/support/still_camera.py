"""A camera that sends one JPEG again and again, over DDS, each time with a stamp of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage


@contextmanager
def still_camera(domain: int, topic: str, jpeg: bytes, rate: float) -> Iterator[None]:
    """Send a picture on a topic until the block ends. rate: Hz."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node, stopped = Node("still_camera", context=context), threading.Event()
    publisher = node.create_publisher(CompressedImage, topic, qos_profile_sensor_data)

    def send() -> None:
        while not stopped.wait(1 / rate):
            image = CompressedImage(format="jpeg", data=jpeg)
            image.header.frame_id = "camera_optical_frame"
            image.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(image)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        node.destroy_node()
        context.try_shutdown()
