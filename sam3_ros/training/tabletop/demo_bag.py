"""The demo's bag: two cameras at a table, one that moves, with the true labels of every frame.

For about a second a board hides one object from the moving camera.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES
from sam3_ros.training.tabletop.world import Scene, World

FRAMES, RATE = 150, 15
WIDTH, HEIGHT, FOVY = 640, 480, 45.0
SEED = 7_000
TRIES = 2000
NOISE = 1.5
START_NS = 1_700_000_000_000_000_000
JPEG_QUALITY = 80
STILL = "table.jpg"
STORE = get_typestore(Stores.ROS2_HUMBLE)
STRING = "std_msgs/msg/String"
TARGET = np.array([0.0, 0.0, 0.02])

HIDDEN_KIND = ("white", "ball")
# Frames of the first camera: the board comes from the left, stands still, and goes back.
BOARD_COMES, BOARD_STANDS, BOARD_GOES, BOARD_GONE = 106, 120, 134, 148
# m: width and height; how far before the object it stands, and from how far it comes.
BOARD_SIZE = (0.18, 0.21)
BOARD_BEFORE, BOARD_PATH = 0.09, 0.42


View = tuple[float, float, float, np.ndarray, float]  # as World.place_camera takes it


@dataclass(frozen=True)
class BagCamera:
    """One camera of the bag."""

    #: Topics.
    images: str
    camera_info: str
    labels: str
    frame_id: str
    #: Seed of its pixel noise.
    noise_seed: int
    #: Pose at a time in [0,1].
    view: Callable[[float], View]
    #: It takes every n-th of the bag's frames.
    every: int = 1
    #: How long after the frame's time it takes it, ns.
    after_ns: int = 0


def _moving_view(time: float) -> View:
    """Move around the table (1.3 radians), rising and coming closer; time in [0,1]."""
    ease = 0.5 - 0.5 * np.cos(np.pi * time)
    azimuth = -0.9 + 1.3 * ease
    elevation = np.radians(38 + 16 * np.sin(np.pi * time))
    distance = 0.98 - 0.12 * np.sin(np.pi * time)
    return azimuth, float(elevation), float(distance), TARGET, FOVY


def _side_view(time: float) -> View:  # noqa: ARG001
    """Look from the other side, fixed high on a mast."""
    return 2.4, float(np.radians(65)), 0.95, TARGET, FOVY


CAMERAS = (
    BagCamera(
        "/camera/image/compressed",
        "/camera/camera_info",
        "/truth/labels",
        "camera_optical_frame",
        SEED,
        _moving_view,
    ),
    BagCamera(
        "/side/image/compressed",
        "/side/camera_info",
        "/side/truth/labels",
        "side_optical_frame",
        SEED + 1,
        _side_view,
        every=2,
        after_ns=1_000_000_000 // RATE // 2,
    ),
)


def write_demo_bag(folder: Path) -> None:
    """Write the rosbag2 folder (mcap), replacing one that is there.

    A board passes between the first camera and the object of HIDDEN_KIND.

    For each of CAMERAS: JPEG images, camera_info and true labels (mono8: 0 nothing, else the
    object's number). Once for both: /truth/objects (JSON: number -> colour and shape). The middle
    frame of the first camera is saved beside the folder as STILL.
    """
    shutil.rmtree(folder, ignore_errors=True)
    world, objects = _table()
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with world, writer:
        recording = _Recording(writer)
        recording.write("/truth/objects", STORE.types[STRING](json.dumps(objects)), START_NS)
        noises = [np.random.default_rng(camera.noise_seed) for camera in CAMERAS]
        kinds = [(object_["colour"], object_["shape"]) for object_ in objects.values()]
        hidden = world.places()[kinds.index(HIDDEN_KIND)]
        for number in range(FRAMES):
            _move_board(world, number, hidden)
            for camera, noise in zip(CAMERAS, noises, strict=True):
                if number % camera.every == 0:
                    image = recording.take(world, camera, number, noise)
                    if number == FRAMES // 2 and camera is CAMERAS[0]:
                        (folder.parent / STILL).write_bytes(_jpeg_bytes(image))


def _move_board(world: World, number: int, hidden: np.ndarray) -> None:
    """Put the board to where it is in a frame. hidden: x and y of what it hides, m."""
    if not BOARD_COMES <= number < BOARD_GONE:
        world.remove_board()
        return
    coming = (BOARD_STANDS - number) / (BOARD_STANDS - BOARD_COMES)
    going = (number - BOARD_GOES) / (BOARD_GONE - BOARD_GOES)
    away = max(coming, going, 0.0) ** 2 * BOARD_PATH  # slow where it stops
    yaw = _moving_view(BOARD_STANDS / (FRAMES - 1))[0]
    towards, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([np.sin(yaw), -np.cos(yaw)])
    world.stand_board(hidden + BOARD_BEFORE * towards + away * left, yaw, BOARD_SIZE)


class _Recording:
    """A bag under way."""

    def __init__(self, writer: Writer) -> None:
        kinds = {"/truth/objects": STRING}
        for camera in CAMERAS:
            kinds |= _kinds(camera)
        self._writer = writer
        self._connections = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in kinds.items()
        }

    def write(self, topic: str, message: Any, stamp: int) -> None:
        connection = self._connections[topic]
        self._writer.write(connection, stamp, STORE.serialize_cdr(message, connection.msgtype))

    def take(
        self, world: World, camera: BagCamera, number: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Write what a camera sees in one of the bag's frames, and return the image."""
        stamp = START_NS + number * 1_000_000_000 // RATE + camera.after_ns
        world.place_camera(*camera.view(number / (FRAMES - 1)))
        scene = world.look(keep_all=True)
        noise = rng.normal(0.0, NOISE, scene.image.shape)
        image = np.clip(scene.image + noise, 0, 255).astype(np.uint8)
        header = _header(stamp, camera.frame_id)
        self.write(camera.images, _jpeg(image, header), stamp)
        self.write(camera.camera_info, _camera_info(header), stamp)
        self.write(camera.labels, _labels(scene, header), stamp)
        return image


def _kinds(camera: BagCamera) -> dict[str, str]:
    return {
        camera.images: "sensor_msgs/msg/CompressedImage",
        camera.camera_info: "sensor_msgs/msg/CameraInfo",
        camera.labels: "sensor_msgs/msg/Image",
    }


def _table() -> tuple[World, dict[str, dict[str, str]]]:
    """Find a well-lit table with a red cube, two balls, and eight objects of many kinds."""
    world = World(SEED)
    for _ in range(TRIES):
        world.next_stage()
        world.arrange()
        world.place_camera(*_moving_view(0.5))
        scene = world.look()
        kinds = [(COLOUR_NAMES[o.colour], SHAPE_NAMES[o.shape]) for o in scene.objects]
        if ("red", "cube") in kinds and _is_rich(kinds) and _is_well_lit(scene.image):
            named = [{"colour": colour, "shape": shape} for colour, shape in kinds]
            return world, {str(n): kind for n, kind in enumerate(named, start=1)}
    world.close()
    raise RuntimeError(f"none of {TRIES} tables has a red cube, two balls and eight things")


def _is_rich(kinds: list[tuple[str, str]]) -> bool:
    colours, shapes = {colour for colour, _ in kinds}, [shape for _, shape in kinds]
    several = len(kinds) >= 8 and len(colours) >= 4 and len(set(shapes)) >= 4
    return several and shapes.count("ball") >= 2


def _is_well_lit(rgb: np.ndarray) -> bool:
    return bool(100 < rgb.mean() < 150)


def _header(stamp: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    time = STORE.types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return STORE.types["std_msgs/msg/Header"](time, frame_id)


def _jpeg_bytes(rgb: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _jpeg(rgb: np.ndarray, header: Any) -> Any:
    data = np.frombuffer(_jpeg_bytes(rgb), np.uint8)
    kind = STORE.types["sensor_msgs/msg/CompressedImage"]
    return kind(header, "bgr8; jpeg compressed bgr8", data)


def _labels(scene: Scene, header: Any) -> Any:
    objects = np.where(scene.labels <= len(scene.objects), scene.labels, 0).astype(np.uint8)
    kind = STORE.types["sensor_msgs/msg/Image"]
    return kind(header, HEIGHT, WIDTH, "mono8", 0, WIDTH, objects.ravel())


def _camera_info(header: Any) -> Any:
    focal = HEIGHT / 2 / np.tan(np.radians(FOVY) / 2)
    k = np.array([focal, 0, WIDTH / 2, 0, focal, HEIGHT / 2, 0, 0, 1.0])
    p = np.array([focal, 0, WIDTH / 2, 0, 0, focal, HEIGHT / 2, 0, 0, 0, 1.0, 0])
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    kind = STORE.types["sensor_msgs/msg/CameraInfo"]
    distortion, straight = np.zeros(5), np.eye(3).ravel()
    return kind(header, HEIGHT, WIDTH, "plumb_bob", distortion, k, straight, p, 0, 0, region)
