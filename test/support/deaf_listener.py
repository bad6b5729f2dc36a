"""Subscribes to the node's large answers, says so, and never reads one."""

from __future__ import annotations

import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

if __name__ == "__main__":
    rclpy.init()
    node = Node("deaf")
    for topic in sys.argv[1:]:
        node.create_subscription(Image, topic, lambda _: None, QoSProfile(depth=1))
    print("subscribed", flush=True)
    time.sleep(3600)
