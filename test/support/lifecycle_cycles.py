"""Configure, activate, answer a frame, deactivate and clean up, so many times in one process.

    lifecycle_cycles.py BUNDLE CYCLES

A line of JSON for each cycle, after its cleanup: resident memory in MiB, threads, open files.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from sam3_ros.msg import SegmentScores
from scenes import colour_scene
from sensor_msgs.msg import Image

from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.node.process import keep_image_memory
from sam3_ros.ros.node.rclpy_internals import CallbackExecutor
from sam3_ros.ros.segmentation_node import SegmentationNode

PATIENCE = 60.0


class Camera(Node):
    """A camera that sends an image until it is answered."""

    def __init__(self) -> None:
        super().__init__("camera")
        self._image = image_message(colour_scene(96, 128, {"red": (10, 10, 40, 40)}), "rgb8")
        self._images = self.create_publisher(Image, "/image", 10)
        self._answered = threading.Event()
        self.create_subscription(
            SegmentScores, "/segmentation_node/scores", lambda _: self._answered.set(), 10
        )

    def ask(self) -> None:
        self._answered.clear()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._image.header.stamp.sec += 1
            self._images.publish(self._image)
            if self._answered.wait(0.05):
                return
        raise TimeoutError("no answer")


def cycle(node: SegmentationNode, camera: Camera) -> None:
    for transition in (node.trigger_configure, node.trigger_activate):
        assert transition() == TransitionCallbackReturn.SUCCESS
    camera.ask()
    for transition in (node.trigger_deactivate, node.trigger_cleanup):
        assert transition() == TransitionCallbackReturn.SUCCESS


def held() -> dict[str, float]:
    resident = re.search(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return {
        "resident": int(resident[1]) / 1024,
        "threads": len([*Path("/proc/self/task").iterdir()]),
        "files": len([*Path("/proc/self/fd").iterdir()]),
    }


def main(bundle: str, cycles: int) -> None:
    keep_image_memory()
    parameters = {"autostart": "false", "bundle": bundle, "prompts": "[red]"}
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", "--log-level", "error", *words])
    node, camera = SegmentationNode(), Camera()
    executors = [CallbackExecutor(node.callback_errors), SingleThreadedExecutor()]
    threads = []
    for executor, each in zip(executors, (node, camera), strict=True):
        executor.add_node(each)
        threads.append(threading.Thread(target=executor.spin, daemon=True))
        threads[-1].start()
    for _ in range(cycles):
        cycle(node, camera)
        print(json.dumps(held()), flush=True)
    for executor, thread in zip(executors, threads, strict=True):
        executor.shutdown()
        thread.join()
    node.destroy_node()
    camera.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
