from __future__ import annotations

import sys

import pytest
from ros_domains import own_domain

from sam3_ros.replay.client.spinning import SpinningNode
from sam3_ros.topics.listening import topic_node


@pytest.fixture
def arguments_for_ros(monkeypatch):
    """Set sys.argv to arguments in ROS's own form.

    They stand for those of a program such as `sam3-ros replay -p NAME:=VALUE`.
    """
    monkeypatch.setattr(sys, "argv", ["program", "--ros-args", "-r", "__node:=another"])


@pytest.mark.usefixtures("arguments_for_ros")
def test_the_programs_arguments_are_not_taken_for_those_of_ros():
    with own_domain() as domain:
        with SpinningNode("ours", domain) as spinning:
            assert spinning.node.get_name() == "ours"
        with topic_node(domain) as (node, _):
            assert node.get_name() == "sam3_ros_topic"
