"""Faults of everyday operation: after each one the node answers, or says why it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PointStamped
from node_client import NODE, NodeClient
from node_under_test import ENVIRONMENT, running_node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sam3_ros.msg import Prompt, Prompts
from scenes import colour_scene, iou, patch_mask
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.ros.images.messages import image_message

HEIGHT, WIDTH = 96, 128
RED = (10, 10, 40, 40)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": (80, 16, 116, 60)})
GOOD = 0.9
TESTS = Path(__file__).parents[1] / "support"


@pytest.fixture(scope="module")
def node(tmp_path_factory, sam3_bundle_path):
    """Yield (process, client) of one node for the whole file: it has to outlive every fault."""
    folder = tmp_path_factory.mktemp("node")
    parameters = {"bundle": sam3_bundle_path, "silence_warn_s": 0.6, "silence_error_s": 3.0}
    with running_node(folder, **parameters) as (process, client):
        yield process, client.connected()


@pytest.fixture
def client(node) -> Iterator[NodeClient]:
    process, client = node
    client.prompt("set", Prompts())
    client.ask("red")
    yield client
    assert_red_is_found(client)
    assert process.process.poll() is None
    assert "Traceback" not in process.log


def assert_red_is_found(client: NodeClient) -> None:
    """Require that the next frame is answered correctly and all frames are accounted for."""
    mask = client.answer(SCENE, "mask")["mask"]
    found = np.frombuffer(mask.data, np.uint8).reshape(HEIGHT, WIDTH) > 0
    assert iou(found, patch_mask(HEIGHT, WIDTH, RED)) > GOOD
    assert client.state == "active"
    client.frames_settled()


def test_a_camera_that_goes_and_comes_back(client):
    def is_well() -> object:
        client.answer(SCENE, "mask")
        return client.diagnostics and client.diagnostics[-1].level == DiagnosticStatus.OK

    client.spin_until(is_well, "the camera")
    client.diagnosed(lambda _, status: status.level == DiagnosticStatus.WARN)
    client.diagnosed(lambda _, status: status.level == DiagnosticStatus.ERROR)
    status = client.diagnostics[-1]
    assert "no image" in status.message
    client.spin_until(is_well, "the camera again")


def test_size_and_encoding_change_in_mid_stream(client):
    """Also under an object that is followed: it is dropped with words, or stays."""
    client.answer(SCENE, "mask")
    sticky = Prompt(id="it", tracking=True)
    sticky.positive_points.append(PointStamped().point)
    sticky.positive_points[0].x, sticky.positive_points[0].y = 25.0, 25.0
    client.prompt("set", Prompts(action=Prompts.PUT, prompts=[sticky]))
    client.answer(SCENE, "mask")
    for height, width, encoding in ((48, 64, "rgb8"), (192, 256, "bgr8"), (96, 128, "mono8")):
        scene = cv2.resize(SCENE, (width, height), interpolation=cv2.INTER_NEAREST)
        pixels = {
            "rgb8": scene,
            "bgr8": scene[..., ::-1].copy(),
            "mono8": cv2.cvtColor(scene, cv2.COLOR_RGB2GRAY),
        }[encoding]
        mask = client.answer(image_message(pixels, encoding), "mask")["mask"]
        assert (mask.height, mask.width) == (height, width)
    lost = [status for status in client.statuses if status.prompt_id == "it"]
    assert [status.accepted for status in lost] == [True, False]
    assert "size changed" in lost[-1].reason


@pytest.mark.parametrize(
    "junk",
    [b"\x00\x01\x00\x00" + b"\xff" * 40, b"\x00\x01\x00\x00" + bytes(range(256)) * 20],
    ids=["endless lengths", "noise"],
)
def test_garbage_bytes_on_every_input(client, junk):
    """Bytes that are no message: DDS drops them, and the node must survive."""
    for kind, topic in (
        (Image, "/image"),
        (String, f"{NODE}/prompt/text"),
        (PointStamped, f"{NODE}/prompt/point"),
        (RegionOfInterest, f"{NODE}/prompt/box"),
        (Prompts, f"{NODE}/prompts"),
    ):
        publisher = client.node.create_publisher(kind, topic, 10)
        client.spin_until(publisher.get_subscription_count, topic)
        # DDS itself refuses to send more than a message of a fixed size can have.
        publisher.publish(junk[:20] if kind is RegionOfInterest else junk)


def test_messages_that_hold_no_image(client):
    before = client.frames_settled()["dropped, undecodable"]
    client.listen("mask")
    for image in (
        Image(height=4_000_000_000, width=4_000_000_000, encoding="rgb8", step=1),
        Image(height=0, width=0, encoding="rgb8"),
        Image(height=2, width=2, encoding="no such", step=6, data=bytes(12)),
        Image(height=2, width=2, encoding="32FC1", step=8, data=bytes(16)),
    ):
        count = client.frames_settled()["dropped, undecodable"]
        client.send(image)
        client.diagnosed(
            lambda values, _, count=count: int(values["frames dropped, undecodable"]) > count
        )
    assert client.frames_settled()["dropped, undecodable"] == before + 4


def test_a_flood_of_prompts(client):
    """A thousand a second for three seconds; every one that was heard has a status."""
    client.listen("mask")
    publisher = client.node.create_publisher(String, f"{NODE}/prompt/text", 1000)
    client.spin_until(publisher.get_subscription_count, "the node's text topic")
    answered = client.frames_settled()["answered"]
    before, begin = len(client.statuses), time.monotonic()
    for number in range(3000):
        publisher.publish(String(data=f"red; {number}" if number % 3 else "x" * 2000))
        if number % 100 == 0:
            client.send(SCENE)
        client.executor.spin_once(timeout_sec=0)
        time.sleep(max(0.0, begin + number / 1000 - time.monotonic()))
    client.ask("red")
    client.spin_until(lambda: client.statuses[-1].prompt_id == "red", "the last status")
    assert len(client.statuses) > before
    assert client.frames_settled()["answered"] > answered
    refused = [status for status in client.statuses[before:] if not status.accepted]
    assert all("at most 1000 characters" in status.reason for status in refused)


def test_a_subscriber_that_does_not_read(node, client):
    """Reliable, deep enough, and stopped by the system: the node neither waits nor grows."""
    process, _ = node
    with deaf_listener(client, f"{NODE}/mask", f"{NODE}/overlay") as deaf:
        os.kill(deaf.pid, signal.SIGSTOP)
        size_before = resident_mebibytes(process.process.pid)
        for _ in range(100):
            client.answer(SCENE, "mask")
        assert resident_mebibytes(process.process.pid) < size_before + 100
    client.frames_settled()


def test_a_session_that_is_short_of_memory(tmp_path, sam3_bundle_path):
    program = (str(TESTS / "broken_session_node.py"), "starve")
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]"}
    with running_node(tmp_path, program=program, **parameters) as (process, client):
        assert client.connected().answer(SCENE, "scores")["scores"].segments
        counts = client.frames_settled()
        assert counts["dropped, out of memory"] == 2
        assert "MemoryError" in process.log
        values = client.diagnosed(lambda values, _: values["state"] == "active")
        assert "Failed to allocate memory" in values["last error"]


def test_a_clock_that_jumps_back(tmp_path, sam3_bundle_path):
    """A bag that loops under use_sim_time sends stamps again; clicks with such a stamp mean the
    images of this round."""
    parameters = {"bundle": sam3_bundle_path, "prompts": "[red]", "use_sim_time": "true"}
    with running_node(tmp_path, **parameters) as (process, client):
        client.connected().answer(SCENE, "mask", "segments")
        clock = client.node.create_publisher(Clock, "/clock", 10)
        images = client.node.create_publisher(Image, "/image", 10)
        client.spin_until(images.get_subscription_count, "the node at /image")
        client.spin_until(clock.get_subscription_count, "the node at /clock")
        for second in (100, 101, 102) * 2:
            clock.publish(Clock(clock=Time(sec=second)))
            answer_image_of(client, images, second)
        assert "the stamps of the camera jumped back to 100 s" in process.log
        client.diagnosed(lambda values, _: values["state"] == "active")
        begin = len(client.outputs["segments"])
        click = PointStamped(header=Header(stamp=Time(sec=101)))
        click.point.x, click.point.y = 25.0, 25.0
        assert client.prompt("point", click)[0].accepted
        assert client.answer_to("point", begin).header.stamp.sec == 101


def answer_image_of(client: NodeClient, images: Publisher, second: int) -> None:
    """Send an image with this stamp, in s, until its mask arrives."""
    message = image_message(SCENE, "rgb8", Header(stamp=Time(sec=second)))
    client.outputs["mask"].clear()

    def answered() -> bool:
        return any(mask.header.stamp.sec == second for mask in client.outputs["mask"])

    def sent_and_answered() -> bool:
        images.publish(message)  # best effort may lose it
        end = time.monotonic() + 1.0
        while time.monotonic() < end and not answered():
            client.executor.spin_once(timeout_sec=0.05)
        return answered()

    client.spin_until(sent_and_answered, f"a mask for {second} s")


@contextmanager
def deaf_listener(client: NodeClient, *topics: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process in the client's domain that has subscribed; kill it at the end."""
    environment = {
        **os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(client.context.get_domain_id())
    }  # fmt: skip
    before = {topic: client.node.count_subscribers(topic) for topic in topics}
    command = [sys.executable, str(TESTS / "deaf_listener.py"), *topics]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "subscribed\n"
        client.spin_until(
            lambda: all(client.node.count_subscribers(topic) > before[topic] for topic in topics),
            "the deaf listener",
        )
        yield process
    finally:
        process.kill()
        process.wait()


def resident_mebibytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
