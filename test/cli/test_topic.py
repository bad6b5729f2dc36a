"""`sam3-ros topic` on topics that a node in this process publishes."""

from __future__ import annotations

import json

import pytest
import yaml
from node_under_test import ENVIRONMENT
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_domains import own_domain
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from sam3_ros.cli.main import main
from sam3_ros.replay.client.spinning import SpinningNode

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
PATIENTLY = ("--patience", "60")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope="module")
def camera():
    """Publish on /jpeg at 50 Hz, best effort, and once on /name, latched."""
    with pytest.MonkeyPatch.context() as patch, own_domain() as domain:
        for name, value in {**ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)}.items():
            patch.setenv(name, value)
        with SpinningNode("camera") as spinning:
            images = spinning.node.create_publisher(CompressedImage, "/jpeg", BEST_EFFORT)
            name = spinning.node.create_publisher(String, "/name", LATCHED)
            name.publish(String(data="front"))
            message = CompressedImage(format="jpeg", data=bytes(100))
            spinning.node.create_timer(0.02, lambda: images.publish(message))
            yield spinning
            spinning.check()


def listed(capsys, *options: str) -> str:
    """Return what `topic list` prints once it sees the camera, within 15 calls.

    On a busy machine DDS discovers the topics late.
    """
    for _ in range(15):
        assert main(["topic", "list", *options]) == 0
        out = capsys.readouterr().out
        if "/jpeg" in out and "/name" in out:
            return out
    raise AssertionError(f"the camera is not seen: {out}")


@pytest.mark.usefixtures("camera")
def test_topics_are_listed_with_their_types(capsys):
    rows = [line.split() for line in listed(capsys).splitlines()]
    assert [row[:2] for row in rows] == [
        ["/jpeg", "sensor_msgs/msg/CompressedImage"],
        ["/name", "std_msgs/msg/String"],
    ]


@pytest.mark.usefixtures("camera")
def test_the_list_is_json_for_programs(capsys):
    topics = {topic["name"]: topic for topic in json.loads(listed(capsys, "--all", "--json"))}
    assert "/rosout" in topics
    assert (topics["/name"]["publishers"], topics["/name"]["subscriptions"]) == (1, 0)


@pytest.mark.usefixtures("camera")
def test_messages_are_echoed(capsys):
    assert main(["topic", "echo", "/jpeg", "--count", "2", "--array", "4", *PATIENTLY]) == 0
    messages = list(yaml.safe_load_all(capsys.readouterr().out.removesuffix("---\n")))
    assert [message["format"] for message in messages] == ["jpeg", "jpeg"]
    assert messages[0]["data"] == [0, 0, 0, 0, "..."]


@pytest.mark.usefixtures("camera")
def test_what_was_published_for_late_comers_is_echoed(capsys):
    assert main(["topic", "echo", "/name", "--once", *PATIENTLY]) == 0
    assert capsys.readouterr().out == 'data: "front"\n---\n'


@pytest.mark.usefixtures("camera")
def test_the_rate_is_told(capsys):
    assert main(["topic", "hz", "/jpeg", "--count", "20", "--window", "10", *PATIENTLY]) == 0
    assert "Hz over 10 messages" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.usefixtures("camera")
def test_a_topic_that_nobody_publishes_is_told(capsys):
    assert main(["topic", "echo", "/absent", "--patience", "0.2"]) == 2
    assert "nobody has published on /absent" in capsys.readouterr().err
