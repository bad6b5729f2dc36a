"""A running node beside the page's view of it, over DDS, with a camera that sends one scene."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from io import BytesIO
from typing import Any, TypeVar

import numpy as np
from node_client import NODE, PATIENCE, NodeClient
from node_under_test import NodeProcess
from PIL import Image as PillowImage
from rclpy.qos import QoSProfile
from scenes import colour_scene
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.node.opening import open_node_viewing
from sam3_ros.look.node.viewing import NodeViewing
from sam3_ros.look.viewing import HeldPicture, ListedPrompt, View, ViewedPicture
from sam3_ros.ros.images.messages import image_message

HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE})
ON_BLUE, ON_RED = Point(98.0, 38.0), Point(25.0, 25.0)
LIVE = View("")
Result = TypeVar("Result")


class SteadyCamera:
    """A camera that sends the scene ten times a second, on a thread of its own."""

    def __init__(
        self,
        client: NodeClient,
        topic: str = "/image",
        message: Image | CompressedImage | None = None,
    ) -> None:
        """message: the image to send; None for the scene, raw."""
        self._message = image_message(SCENE, "rgb8") if message is None else message
        kind = type(self._message)
        self._publisher = client.node.create_publisher(kind, topic, QoSProfile(depth=5))
        self._clock = client.node.get_clock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def show(self, rgb: np.ndarray) -> None:
        """Send another picture from now on."""
        self._message = image_message(rgb, "rgb8")

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(0.1):
            message = self._message
            message.header.frame_id = "camera"
            message.header.stamp = self._clock.now().to_msg()
            self._publisher.publish(message)


class LookedAt:
    """A running node, its camera, and what the page sees of both."""

    def __init__(self, process: NodeProcess, client: NodeClient) -> None:
        self.process, self.client = process, client
        self.domain = client.context.get_domain_id()
        self.viewing: NodeViewing = open_node_viewing("segmentation_node", self.domain)
        self.camera = SteadyCamera(client)

    def settled(self, future: Future[Result]) -> Result:
        return future.result(PATIENCE)

    def clear(self) -> None:
        """Let nothing be asked or frozen."""
        for each in self.viewing.prompts(""):
            self.settled(self.viewing.remove(each.id, each.camera))
        wait_for(lambda: not self.viewing.prompts(""), "an empty list")

    def prompt(self, prompt_id: str) -> ListedPrompt | None:
        return next((p for p in self.viewing.prompts("") if p.id == prompt_id), None)

    def subscribers(self, topic: str) -> int:
        return self.client.node.count_subscribers(f"{NODE}/{topic}")


class Watching:
    """Keeps the pictures of a view."""

    def __init__(self, viewing: NodeViewing, view: View = LIVE) -> None:
        self.pictures: list[ViewedPicture] = []
        self._watch = viewing.watch(view, self.pictures.append)

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()

    def next(self, is_wanted: Callable[[ViewedPicture], Any] = bool) -> ViewedPicture:
        """Return the first picture from now on that is wanted."""
        begin = len(self.pictures)
        return wait_for(lambda: next(filter(is_wanted, self.pictures[begin:]), None), "a picture")


def wait_for(done: Callable[[], Result], what: str) -> Result:
    end = time.monotonic() + PATIENCE
    while not (value := done()):
        assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.01)
    return value


def found(picture: ViewedPicture | HeldPicture, prompt_id: str) -> list[Box]:
    """Return the boxes of what a prompt found."""
    shown = picture.picture if not isinstance(picture, ViewedPicture) else picture
    return [each.box for each in shown.segments or () if each.prompt_id == prompt_id]


def is_at(box: Box, corners: tuple[int, int, int, int]) -> bool:
    return bool(np.abs(np.subtract(box.as_tuple(), corners)).max() < 3)


def pixels(data: bytes, mode: str) -> np.ndarray:
    with PillowImage.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert(mode))
