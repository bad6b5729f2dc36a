"""Images on their way from a camera driver in another process, and those that get lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from node_client import NodeClient
from node_under_test import NodeProcess, running_node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from scenes import colour_scene
from sensor_msgs.msg import Image

from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES
from sam3_ros.ros.stamps import time_message

MS = 1_000_000
COUNT = 30
SCENE = colour_scene(48, 64, {"red": (10, 10, 40, 40)})
# A driver as most are: its publisher has rclpy's default profile, its process no DDS settings.
DRIVER = """
import sys, time
import rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("driver")
publisher = node.create_publisher(Image, "/image", 10)
image = Image(height=480, width=640, encoding="rgb8", step=1920, data=bytes(480 * 1920))
while not publisher.get_subscription_count():
    time.sleep(0.05)
time.sleep(0.5)
for _ in range(int(sys.argv[1])):
    image.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(image)
    time.sleep(0.1)
sys.stdin.read()
"""


class Running:
    """A node, and the client beside it."""

    def __init__(self, process: NodeProcess, client: NodeClient) -> None:
        self.process, self.client = process, client

    def count(self, key: str = "frames received") -> int:
        return int(self.client.diagnosed(lambda values, _: key in values)[key])

    def wait_for(self, count: int, key: str = "frames received") -> None:
        self.client.diagnosed(lambda values, _: int(values.get(key, 0)) >= count)

    @contextmanager
    def camera(self, reliability: ReliabilityPolicy) -> Iterator[Camera]:
        camera = Camera(self, reliability)
        yield camera
        self.client.node.destroy_publisher(camera.publisher)


class Camera:
    """A camera of small images, at 10 Hz by their stamps.

    The next one waits for the answer: DDS keeps five for a node that is busy, and then loses some.
    """

    def __init__(self, node: Running, reliability: ReliabilityPolicy) -> None:
        self._client, self._sent = node.client, 0
        qos = QoSProfile(depth=100, reliability=reliability)
        self.publisher = node.client.node.create_publisher(Image, "/image", qos)
        node.client.spin_until(self.publisher.get_subscription_count, "the node")

    def send(self, is_sent: bool = True) -> None:
        """Send an image and wait for its answer; is_sent: or only let its time pass."""
        self._sent += 1
        message = image_message(SCENE, "rgb8")
        message.header.stamp = stamp = time_message(self._sent * 100 * MS)
        if is_sent:
            scores = self._client.outputs["scores"]
            scores.clear()
            self.publisher.publish(message)
            self._client.spin_until(
                lambda: any(each.header.stamp == stamp for each in scores),
                f"the answer to image {self._sent}",
            )


@pytest.fixture(scope="module")
def running(tmp_path_factory, sam3_bundle_path) -> Iterator[Running]:
    # The node must choose by itself how DDS carries its images.
    kept = {name: os.environ.pop(name) for name in PROFILE_VARIABLES if name in os.environ}
    try:
        folder = tmp_path_factory.mktemp("node")
        with running_node(folder, bundle=sam3_bundle_path, silence_warn_s=0) as (process, client):
            client.diagnosed(lambda values, _: values["state"] == "active")
            client.answer(SCENE, "scores")
            yield Running(process, client)
    finally:
        os.environ.update(kept)


def test_every_image_of_a_driver_with_default_settings_arrives(running):
    assert "Fast DDS uses the profile " in running.process.log
    before, domain = running.count(), str(running.client.context.get_domain_id())
    environment = {**os.environ, "ROS_DOMAIN_ID": domain}
    command = [sys.executable, "-c", DRIVER, str(COUNT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as driver:
        running.wait_for(before + COUNT)
        driver.communicate()
    assert running.count() == before + COUNT
    assert running.count("images lost") == 0


def test_no_image_is_lost_or_doubled_when_the_subscription_changes(running):
    begun = running.process.log.count("now come")
    with running.camera(ReliabilityPolicy.RELIABLE) as reliable:
        before = running.count()
        with running.camera(ReliabilityPolicy.BEST_EFFORT):
            sent = 0
            while running.process.log.count("now come") == begun:
                reliable.send()
                sent += 1
            for _ in range(20):
                reliable.send()
        assert "/image (best effort, as a publisher is)" in running.process.log
        while running.process.log.count("now come") == begun + 1:
            reliable.send()
            sent += 1
        for _ in range(20):
            reliable.send()
        running.wait_for(before + sent + 40)
        assert running.count() == before + sent + 40


def test_missing_images_are_a_warning_with_what_to_do(running):
    with running.camera(ReliabilityPolicy.RELIABLE) as camera:
        lost = running.count("images lost")
        for number in range(60):
            camera.send(is_sent=number < 20 or number % 4 != 0)
        camera.send()
        running.wait_for(lost + 10, "images lost")
        values = running.client.diagnosed(
            lambda _, status: "did not arrive" in status.message and status.level == b"\1"
        )
        assert int(values["images lost"]) == lost + 10
        assert "did not arrive, by the gaps between their stamps: they were not sent to" in (
            running.process.log
        )
        # Above no share at all.
        assert running.client.set_parameters(lost_warn=1).successful
        running.client.diagnosed(lambda _, status: status.message == "active")
