#!/usr/bin/env python3
"""A `ros2` that knows `bag play` alone: rosbags and rclpy instead of rosbag2, for machines
without it. Takes the options that the replay uses, and refuses all others."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock

from sam3_ros.ros.message_types import message_class


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ros2")
    play = parser.add_subparsers(required=True).add_parser("bag").add_subparsers(required=True)
    command = play.add_parser("play")
    command.add_argument("bag", type=Path)
    command.add_argument("--rate", type=float, default=1.0)
    command.add_argument("--clock", type=float)
    command.add_argument("--delay", type=float, default=0.0)
    command.add_argument("--disable-keyboard-controls", action="store_true")
    command.add_argument("--topics", nargs="+")
    command.add_argument("--remap", nargs="+", default=[])
    return parser.parse_args()


def play(node: Node, reader: AnyReader, asked: argparse.Namespace) -> None:
    renamed = dict(rule.split(":=") for rule in asked.remap)
    connections = [c for c in reader.connections if c.topic in asked.topics]
    publishers = {
        c.topic: node.create_publisher(
            message_class(c.msgtype), renamed.get(c.topic, c.topic), QoSProfile(depth=10)
        )
        for c in connections
    }
    clock = node.create_publisher(Clock, "/clock", QoSProfile(depth=10))
    time.sleep(asked.delay)
    begin = time.monotonic()
    for connection, at, data in reader.messages(connections):
        while True:
            now = reader.start_time + round((time.monotonic() - begin) * asked.rate * 1e9)
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(min(now, at), 1_000_000_000)
            clock.publish(message)
            if now >= at:
                break
            time.sleep(min((at - now) / 1e9 / asked.rate, 1 / asked.clock))
        publishers[connection.topic].publish(bytes(data))
    time.sleep(0.5)  # what was published last is on its way


def main() -> int:
    asked = options()
    rclpy.init()
    node = Node("rosbag2_player")
    with AnyReader([asked.bag]) as reader:
        play(node, reader, asked)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
