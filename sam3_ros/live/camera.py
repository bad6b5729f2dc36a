"""A webcam or video as a ROS camera, in a process of its own.

    python -m sam3_ros.live.camera --video film.mp4 --topic /camera/image_raw

It speaks with its parent in lines. Its own are `ready` with the size and rate of the pictures,
`end` with their number, and `error` with the reason. It publishes once a line comes in, and ends
when its input does, so that it never outlives its parent.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.live.sources import Picture, PicturePace, PictureSource, open_camera, open_video
from sam3_ros.ros.frames.worker import RateLimit
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.node.process import keep_image_memory
from sam3_ros.ros.start import start_ros

FRAME_ID = "camera"
NODE_NAME = "sam3_ros_camera"
_INPUT = 0
_JPEG_QUALITY = 95
# Reliable, for subscribers of either kind.
_QOS = QoSProfile(depth=5)
_HEARD_SECONDS, _POLL = 5.0, 0.05
# Discovery at the other end, which cannot be queried, ends a little later.
_MATCHING_SECONDS = 0.5


class PicturePublisher:
    """The ROS node of the camera."""

    def __init__(self, topic: str, compressed: bool) -> None:
        """Create it. topic: of the raw images; compressed ones go to <topic>/compressed."""
        keep_image_memory()
        self._context = Context()
        start_ros(context=self._context)
        self._node = Node(NODE_NAME, context=self._context, start_parameter_services=False)
        self._compressed = compressed
        kind, name = (CompressedImage, f"{topic}/compressed") if compressed else (Image, topic)
        self._publisher = self._node.create_publisher(kind, name, _QOS)

    def wait_until_heard(self, stopped: threading.Event) -> None:
        """Wait for a subscriber, so that it gets the first picture of a video."""
        end = time.monotonic() + _HEARD_SECONDS
        while not self._publisher.get_subscription_count() and time.monotonic() < end:
            stopped.wait(_POLL)
        stopped.wait(_MATCHING_SECONDS)

    def publish(self, picture: Picture) -> None:
        """Publish a picture, uint8 [H, W, 3] BGR, stamped now."""
        header = Header(frame_id=FRAME_ID, stamp=self._node.get_clock().now().to_msg())
        if not self._compressed:
            self._publisher.publish(image_message(picture, "bgr8", header))
            return
        _, jpeg = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
        message = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8")
        message.data = jpeg.tobytes()
        self._publisher.publish(message)

    def close(self) -> None:
        self._node.destroy_node()
        self._context.try_shutdown()


def publish_all(
    source: PictureSource,
    first: Picture,
    rate: float | None,
    loop: bool,
    publish: Callable[[Picture], None],
    stopped: threading.Event,
) -> int:
    """Publish the pictures at their pace until the last one or `stopped`; return their number.

    rate: pictures per second, None for the source's own. Raises SourceError.
    """
    is_camera = source.rate is None
    pace = PicturePace(None if is_camera else rate or source.rate, time.monotonic())
    # Of a camera, which has a pace of its own, pictures in between are left out.
    limit = RateLimit(lambda: rate or 0.0 if is_camera else 0.0)
    picture: Picture | None = first
    count = 0
    while picture is not None and not stopped.wait(pace.wait_before(count, time.monotonic())):
        if limit.admits(time.monotonic()):
            publish(picture)
            count += 1
        picture = source.read()
        if picture is None and loop:
            source.rewind()
            picture = source.read()
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish until the pictures or the input end; 0 then, 2 for an error."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except Sam3RosError as error:
        _say("error", " ".join(str(error).split()))
    except Exception as error:  # rclpy's, for a domain that is none
        _say("error", f"the camera cannot start: {type(error).__name__}: {error}")
    return ExitCode.REFUSED


def _run(options: argparse.Namespace) -> int:
    source = _source(options)
    first = source.read()
    assert first is not None, "a source without a first picture raises"
    publisher = PicturePublisher(options.topic, options.compressed)
    height, width = first.shape[:2]
    rate = options.rate or source.rate or 0.0
    _say("ready", f"{width} {height} {rate:g}")
    stopped = threading.Event()
    if os.read(_INPUT, 1):
        threading.Thread(target=_stop_at_end_of_input, args=(stopped,), daemon=True).start()
        publisher.wait_until_heard(stopped)
        count = publish_all(source, first, options.rate, options.loop, publisher.publish, stopped)
        _say("end", str(count))
        stopped.wait()  # a subscriber may still fetch the last pictures
    publisher.close()
    source.close()
    return 0


def _source(options: argparse.Namespace) -> PictureSource:
    if options.camera:
        return open_camera(options.camera)
    return open_video(options.video, options.max_megapixels)


def _stop_at_end_of_input(stopped: threading.Event) -> None:
    # Not by sys.stdin: Python aborts if it ends while another thread reads there.
    while os.read(_INPUT, 1024):
        pass
    stopped.set()


def _say(kind: str, words: str) -> None:
    with suppress(BrokenPipeError):  # the parent has ended
        print(kind, words, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--camera")
    source.add_argument("--video", type=Path)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--compressed", action="store_true")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--max-megapixels", type=float, default=MAX_MEGAPIXELS)
    parser.add_argument("--loop", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
