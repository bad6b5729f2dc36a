"""A namesake in the domain, and use_sim_time without a clock; one node for all."""

from __future__ import annotations

import signal
from itertools import count

import pytest
import rclpy
from node_under_test import running_node
from rclpy.context import Context
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

NAME = "/segmentation_node"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surroundings")
    with running_node(folder, autostart="false", use_sim_time="true") as (
        process,
        client,
    ):
        client.diagnosed(lambda values, _: values["state"] == "unconfigured")
        yield process, client


def test_a_clock_that_nobody_publishes_is_told_until_somebody_does(running):
    process, client = running
    told = client.diagnosed(lambda _, status: "no time has come on /clock" in status.message)
    assert told["clock"].startswith("/clock, no time")
    publisher = client.node.create_publisher(Clock, "/clock", 10)
    seconds = count(100)

    def goes(values, status):
        message = Clock()
        message.clock.sec = next(seconds)
        publisher.publish(message)
        return values["clock"] == "/clock" and "/clock" not in status.message

    client.diagnosed(goes)
    assert process.log.count("nobody publishes it") == 1
    assert "the clock is as it should be again" in process.log


def test_a_time_that_is_none_leaves_the_clock_as_it_is(running):
    process, client = running
    publisher = client.node.create_publisher(Clock, "/clock", 10)

    def publish(sec, nanosec=0):
        message = Clock()
        message.clock.sec, message.clock.nanosec = sec, nanosec
        publisher.publish(message)

    for odd in ((-1, 0), (-(2**31), 5), (2**31 - 1, 2**32 - 1)):
        told = process.log.count("expected a time from 0 to 2**31 s on /clock")

        def is_left_out(values, _, odd=odd):
            publish(*odd)
            return values["callback errors"] == "0"

        client.diagnosed(is_left_out)
        assert told == 0 or process.log.count("it is left out") == 1
    client.spin_until(lambda: "it is left out" in process.log, "the time is left out")
    publish(5_000)
    values = client.diagnosed(lambda values, _: values["clock"] == "/clock")
    assert values["callback errors"] == "0"
    assert "Traceback" not in process.log


def test_another_node_of_its_name_is_told_while_it_is_there(running):
    process, client = running
    context = Context()
    rclpy.init(context=context, domain_id=client.context.get_domain_id())
    namesake = Node("segmentation_node", context=context)
    try:
        client.diagnosed(lambda _, status: f"another node {NAME} is in" in status.message)
    finally:
        namesake.destroy_node()
        context.try_shutdown()
    client.diagnosed(lambda _, status: "another node" not in status.message)
    assert process.log.count(f"another node {NAME} is in") == 1
    assert "the other node of this name has gone" in process.log


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_users_signal_shows_the_threads_and_ends_nothing(running, number):
    process, client = running
    before = process.log.count("Current thread")
    process.process.send_signal(number)
    client.spin_until(lambda: process.log.count("Current thread") > before, "the stacks")
    client.diagnosed(lambda values, _: values["state"] == "unconfigured")


def test_a_terminal_that_is_closed_ends_it_as_a_signal_does(running):
    """The last test of the module: it ends the node."""
    process, _ = running
    process.process.send_signal(signal.SIGHUP)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whoever is impatient
        process.process.send_signal(number)
    assert process.stop(signal.SIGINT) == 0
    assert "Traceback" not in process.log
