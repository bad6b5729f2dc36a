"""Recorded bags for the tests: a camera that pans over coloured shapes, with the truth of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

HEIGHT, WIDTH, RATE = 96, 128, 15
START_NS = 1_700_000_000_000_000_000
FRAME_ID = "camera_optical_frame"
IMAGES, CAMERA_INFO = "/camera/image/compressed", "/camera/camera_info"
RAW_IMAGES = "/camera/image"
LABELS, OBJECTS = "/truth/labels", "/truth/objects"
# A second camera that sees the mirror image, a little later.
SIDE_IMAGES, SIDE_LABELS = "/side/image/compressed", "/side/truth/labels"
SIDE_FRAME_ID, SIDE_LATER_NS = "side_optical_frame", 10_000_000
# Things stand out of a wall that the camera looks at straight.
DEPTH, DEPTH_INFO, PLACES = "/camera/depth/image_raw", "/camera/depth/camera_info", "/truth/places"
THINGS_MM, WALL_MM = 800, 1000
FOCAL = 100
STORE = get_typestore(Stores.ROS2_HUMBLE)
GREY = 128


@dataclass(frozen=True)
class Thing:
    """A coloured shape of the scene."""

    colour: str
    shape: str
    rgb: tuple[int, int, int]
    #: Left edge in the first frame, px.
    x: int
    #: Top edge in the first frame, px.
    y: int
    #: Width and height, px.
    size: int


# Left and right of the vertical middle: the models of bundles.py tell instances by it.
THINGS = (
    Thing("red", "cube", (220, 30, 30), 12, 10, 30),
    Thing("blue", "cube", (40, 50, 220), 82, 12, 28),
    Thing("green", "ball", (30, 200, 40), 14, 52, 32),
    Thing("yellow", "cube", (230, 220, 40), 84, 54, 30),
)


def stamp_ns(number: int) -> int:
    """Return the time stamp of a frame, ns."""
    return START_NS + number * 1_000_000_000 // RATE


def frame(number: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the image u8[H,W,3], RGB, and its labels u8[H,W]; things fall by 1 px in 5 frames."""
    image = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for label, thing in enumerate(THINGS, start=1):
        mask = _mask(thing, thing.y + number // 5)
        image[mask], labels[mask] = thing.rgb, label
    return image, labels


def write_bag(
    folder: Path,
    frames: int = 30,
    *,
    storage: StoragePlugin = StoragePlugin.MCAP,
    raw: bool = False,
    truth: bool = True,
    broken: frozenset[int] = frozenset(),
    stamps: bool = True,
    side: bool = False,
    depth: bool = False,
    places_off_m: float = 0.0,
) -> Path:
    """Write a rosbag2 folder and return it.

    The JPEG of the frames in `broken` is cut in half. Without `stamps` all stamps are zero. `side`
    adds a second camera. `depth` adds depth with its camera_info, and true places that are too far
    to the right by places_off_m.
    """
    with Writer(folder, version=9, storage_plugin=storage) as writer:
        topics = _topics(raw, truth, side, depth)
        connections = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in topics.items()
        }

        def write(topic: str, message: object, time: int) -> None:
            connection = connections[topic]
            writer.write(connection, time, STORE.serialize_cdr(message, connection.msgtype))

        if truth:
            write(OBJECTS, STORE.types["std_msgs/msg/String"](objects_json()), START_NS)
        if depth:
            text = json.dumps({stamp_ns(n): _places(n, places_off_m) for n in range(frames)})
            write(PLACES, STORE.types["std_msgs/msg/String"](text), START_NS)
        for number in range(frames):
            time = stamp_ns(number)
            header = _header(time if stamps else 0)
            image, labels = frame(number)
            if depth:
                z = np.where(labels > 0, THINGS_MM, WALL_MM).astype(np.uint16)
                write(DEPTH, _image(header, z, "16UC1"), time)
                write(DEPTH_INFO, _camera_info(header), time)
            jpeg = None if raw else _jpeg(header, image, number in broken)
            write(RAW_IMAGES if raw else IMAGES, jpeg or _image(header, image, "rgb8"), time)
            write(CAMERA_INFO, _camera_info(header), time)
            if truth:
                write(LABELS, _image(header, labels, "mono8"), time)
            if side:
                time += SIDE_LATER_NS
                header = _header(time, SIDE_FRAME_ID)
                write(SIDE_IMAGES, _jpeg(header, image[:, ::-1], broken=False), time)
                write(SIDE_LABELS, _image(header, labels[:, ::-1], "mono8"), time)
    return folder


def _topics(raw: bool, truth: bool, side: bool, depth: bool) -> dict[str, str]:
    """Return the bag's topics with their types."""
    picture, info = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
    kind = picture if raw else "sensor_msgs/msg/CompressedImage"
    topics = {RAW_IMAGES if raw else IMAGES: kind, CAMERA_INFO: info}
    if truth:
        topics |= {LABELS: picture, OBJECTS: "std_msgs/msg/String"}
    if side:
        topics |= {SIDE_IMAGES: kind, SIDE_LABELS: picture}
    if depth:
        topics |= {DEPTH: picture, DEPTH_INFO: info, PLACES: "std_msgs/msg/String"}
    return topics


def objects_json() -> str:
    named = {str(n): {"colour": t.colour, "shape": t.shape} for n, t in enumerate(THINGS, start=1)}
    return json.dumps(named)


def _mask(thing: Thing, top: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if thing.shape == "ball":
        radius = thing.size // 2
        cv2.circle(mask, (thing.x + radius, top + radius), radius, 1, cv2.FILLED)
    else:
        mask[top : top + thing.size, thing.x : thing.x + thing.size] = 1
    return mask.view(np.bool_)


def _header(stamp: int, frame_id: str = FRAME_ID) -> object:
    time = STORE.types["builtin_interfaces/msg/Time"](*divmod(stamp, 1_000_000_000))
    return STORE.types["std_msgs/msg/Header"](time, frame_id)


def _jpeg(header: object, rgb: npt.NDArray[np.uint8], broken: bool) -> object:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel()
    data = data[: data.size // 2] if broken else data
    return STORE.types["sensor_msgs/msg/CompressedImage"](header, "jpeg", data)


def _image(header: object, pixels: npt.NDArray[np.uint8], encoding: str) -> object:
    height, width = pixels.shape[:2]
    step = pixels.nbytes // height
    kind = STORE.types["sensor_msgs/msg/Image"]
    return kind(header, height, width, encoding, 0, step, _bytes_of(pixels))


def _bytes_of(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(pixels).view(np.uint8).ravel()


def _places(number: int, off_m: float) -> dict[str, object]:
    """Return where the things of a frame are: their fronts, which face the camera."""
    places = {}
    for label, thing in enumerate(THINGS, start=1):
        middle = np.array([thing.x, thing.y + number // 5]) + (thing.size - 1) / 2
        x, y = (middle - [WIDTH / 2, HEIGHT / 2]) / FOCAL * THINGS_MM / 1000
        size = thing.size / FOCAL * THINGS_MM / 1000
        centre = [x + off_m, y, THINGS_MM / 1000]
        places[str(label)] = {"centre": centre, "box": [size, size, 0.001]}
    return places


def _camera_info(header: object) -> object:
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([FOCAL, 0, WIDTH / 2, 0, FOCAL, HEIGHT / 2, 0, 0, 1.0])
    p = np.array([FOCAL, 0, WIDTH / 2, 0, 0, FOCAL, HEIGHT / 2, 0, 0, 0, 1.0, 0])
    kind = STORE.types["sensor_msgs/msg/CameraInfo"]
    none, straight = np.zeros(5), np.eye(3).ravel()
    return kind(header, HEIGHT, WIDTH, "plumb_bob", none, k, straight, p, 0, 0, region)
