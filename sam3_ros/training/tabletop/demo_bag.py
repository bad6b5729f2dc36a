"""The demo's bag: two cameras at a table, one that moves, with the true labels of every frame.

For about a second a board hides one object from the moving camera. Every fifth image has depth, of
half its size, as of a camera of structured light, and the truth of where each object is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES
from sam3_ros.training.tabletop.demo_messages import (
    FOVY,
    HEIGHT,
    STORE,
    WIDTH,
    camera_info_message,
    depth_message,
    focal_of,
    header_of,
    jpeg_message,
    labels_message,
    write_still,
)
from sam3_ros.training.tabletop.depth_camera import DepthCamera
from sam3_ros.training.tabletop.true_places import true_places
from sam3_ros.training.tabletop.world import SceneObject, World

FRAMES, RATE = 150, 15
SEED = 7_000
TRIES = 2000
NOISE = 1.5
DEPTH_EVERY, DEPTH_SIZE = 5, (320, 240)
START_NS = 1_700_000_000_000_000_000
STRING = "std_msgs/msg/String"
# px of the depth image, which a camera of twice its size has measured by eighths of a pixel.
_DISPARITY_STEP = 1 / 16
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
    depth: str
    depth_info: str
    places: str
    frame_id: str
    #: Seed of its pixel noise; the next but one is that of its depth's.
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
        "/camera/depth/image_raw",
        "/camera/depth/camera_info",
        "/truth/places",
        "camera_optical_frame",
        SEED,
        _moving_view,
    ),
    BagCamera(
        "/side/image/compressed",
        "/side/camera_info",
        "/side/truth/labels",
        "/side/depth/image_raw",
        "/side/depth/camera_info",
        "/side/truth/places",
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
    object's number); depth (16UC1, mm) and its camera_info before every DEPTH_EVERY-th image; once,
    at the end, the true places (JSON: stamp -> number -> centre and box). Once for both:
    /truth/objects (JSON: number -> colour and shape). The middle frame of the first camera is saved
    beside the folder as demo_messages.STILL, with its depth and its camera.
    """
    shutil.rmtree(folder, ignore_errors=True)
    world, objects = _table()
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with world, writer:
        recording = _Recording(writer)
        recording.write("/truth/objects", STORE.types[STRING](json.dumps(objects)), START_NS)
        noises = [Noises.of(camera) for camera in CAMERAS]
        kinds = [(object_["colour"], object_["shape"]) for object_ in objects.values()]
        hidden = world.places()[kinds.index(HIDDEN_KIND)]
        for number in range(FRAMES):
            _move_board(world, number, hidden)
            for camera, noise in zip(CAMERAS, noises, strict=True):
                if number % camera.every == 0:
                    image, depth = recording.take(world, camera, number, noise)
                    if number == FRAMES // 2 and camera is CAMERAS[0]:
                        assert depth is not None, "the middle frame has depth"
                        write_still(folder.parent, camera.frame_id, image, depth)
        recording.write_places()


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


@dataclass(frozen=True)
class Noises:
    """The generators of one camera's noise: the image's draws do not depend on the depth's."""

    image: np.random.Generator
    depth: np.random.Generator

    @classmethod
    def of(cls, camera: BagCamera) -> Noises:
        seed = camera.noise_seed
        return cls(np.random.default_rng(seed), np.random.default_rng(seed + len(CAMERAS)))


class _Recording:
    """A bag under way."""

    def __init__(self, writer: Writer) -> None:
        kinds = {"/truth/objects": STRING}
        for camera in CAMERAS:
            kinds |= _kinds(camera)
        self._writer = writer
        self._places: dict[str, dict[int, Any]] = {camera.places: {} for camera in CAMERAS}
        self._last_ns = START_NS
        self._connections = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in kinds.items()
        }

    def write(self, topic: str, message: Any, stamp: int) -> None:
        connection = self._connections[topic]
        self._writer.write(connection, stamp, STORE.serialize_cdr(message, connection.msgtype))

    def take(
        self, world: World, camera: BagCamera, number: int, noises: Noises
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Write what a camera sees in one of the bag's frames; return image and depth, if any."""
        stamp = START_NS + number * 1_000_000_000 // RATE + camera.after_ns
        world.place_camera(*camera.view(number / (FRAMES - 1)))
        scene = world.look(keep_all=True)
        noise = noises.image.normal(0.0, NOISE, scene.image.shape)
        image = np.clip(scene.image + noise, 0, 255).astype(np.uint8)
        header = header_of(stamp, camera.frame_id)
        depth = None
        if number % (DEPTH_EVERY * camera.every) == 0:
            depth = self._take_depth(world, camera, header, stamp, noises.depth)
            self._places[camera.places][stamp] = true_places(world, scene)
        self.write(camera.images, jpeg_message(image, header), stamp)
        self.write(camera.camera_info, camera_info_message(header, WIDTH, HEIGHT), stamp)
        self.write(camera.labels, labels_message(scene, header), stamp)
        self._last_ns = stamp
        return image, depth

    def _take_depth(
        self, world: World, camera: BagCamera, header: Any, stamp: int, rng: np.random.Generator
    ) -> np.ndarray:
        width, height = DEPTH_SIZE
        depth_camera = DepthCamera(
            focal_of(height), step=_DISPARITY_STEP, noise=_DISPARITY_STEP / 3
        )
        measured = depth_camera.measure(world.depth(DEPTH_SIZE), rng)
        self.write(camera.depth, depth_message(measured, header), stamp)
        self.write(camera.depth_info, camera_info_message(header, width, height), stamp)
        return measured

    def write_places(self) -> None:
        """Write the true places of all images with depth that were taken."""
        for topic, places in self._places.items():
            self.write(topic, STORE.types[STRING](json.dumps(places)), self._last_ns)


def _kinds(camera: BagCamera) -> dict[str, str]:
    return {
        camera.images: "sensor_msgs/msg/CompressedImage",
        camera.camera_info: "sensor_msgs/msg/CameraInfo",
        camera.labels: "sensor_msgs/msg/Image",
        camera.depth: "sensor_msgs/msg/Image",
        camera.depth_info: "sensor_msgs/msg/CameraInfo",
        camera.places: STRING,
    }


def _table() -> tuple[World, dict[str, dict[str, str]]]:
    """Find a well-lit table with a red cube, two balls, and eight objects of many kinds."""
    world = World(SEED)
    for _ in range(TRIES):
        world.next_stage()
        world.arrange()
        world.place_camera(*_moving_view(0.5))
        if not _is_rich(_named(world.kinds())):  # what is seen is a part of it: do not render
            continue
        scene = world.look()
        kinds = _named(scene.objects)
        if _is_rich(kinds) and _is_well_lit(scene.image):
            named = [{"colour": colour, "shape": shape} for colour, shape in kinds]
            return world, {str(n): kind for n, kind in enumerate(named, start=1)}
    world.close()
    raise RuntimeError(f"none of {TRIES} tables has a red cube, two balls and eight things")


def _named(objects: Sequence[SceneObject]) -> list[tuple[str, str]]:
    return [(COLOUR_NAMES[each.colour], SHAPE_NAMES[each.shape]) for each in objects]


def _is_rich(kinds: list[tuple[str, str]]) -> bool:
    colours, shapes = {colour for colour, _ in kinds}, [shape for _, shape in kinds]
    several = len(kinds) >= 8 and len(colours) >= 4 and len(set(shapes)) >= 4
    return ("red", "cube") in kinds and several and shapes.count("ball") >= 2


def _is_well_lit(rgb: np.ndarray) -> bool:
    return bool(100 < rgb.mean() < 150)
