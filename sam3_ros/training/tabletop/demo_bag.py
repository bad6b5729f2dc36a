"""The demo's bag: a camera that moves around a table, with the true label image of every frame."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from sam3_ros.core.tabletop_vocabulary import COLOUR_NAMES, SHAPE_NAMES
from sam3_ros.training.tabletop.world import Scene, World

FRAMES, RATE = 150, 15
WIDTH, HEIGHT, FOVY = 640, 480, 45.0
FRAME_ID = "camera_optical_frame"
SEED = 7_000
TRIES = 2000
NOISE = 1.5
START_NS = 1_700_000_000_000_000_000
JPEG_QUALITY = 80
STILL = "table.jpg"
STORE = get_typestore(Stores.ROS2_HUMBLE)


def write_demo_bag(folder: Path) -> None:
    """Write the rosbag2 folder (mcap), replacing one that is there.

    Topics: /camera/image/compressed (JPEG), /camera/camera_info, /truth/labels (mono8: 0 nothing,
    else the object's number), /truth/objects (JSON: number -> colour and shape; once). A frame
    from the middle is left beside the folder as STILL.
    """
    shutil.rmtree(folder, ignore_errors=True)
    world, objects = _table()
    rng = np.random.default_rng(SEED)
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with world, writer:
        topics = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in (
                ("/camera/image/compressed", "sensor_msgs/msg/CompressedImage"),
                ("/camera/camera_info", "sensor_msgs/msg/CameraInfo"),
                ("/truth/labels", "sensor_msgs/msg/Image"),
                ("/truth/objects", "std_msgs/msg/String"),
            )
        }

        def write(topic: str, message: object, stamp: int) -> None:
            connection = topics[topic]
            writer.write(connection, stamp, STORE.serialize_cdr(message, connection.msgtype))

        write("/truth/objects", STORE.types["std_msgs/msg/String"](json.dumps(objects)), START_NS)
        for number in range(FRAMES):
            stamp = START_NS + number * 1_000_000_000 // RATE
            world.place_camera(*_view(number / (FRAMES - 1)))
            scene = world.look(keep_all=True)
            noise = rng.normal(0.0, NOISE, scene.image.shape)
            image = np.clip(scene.image + noise, 0, 255).astype(np.uint8)
            if number == FRAMES // 2:
                (folder.parent / STILL).write_bytes(_jpeg_bytes(image))
            write("/camera/image/compressed", _jpeg(image, stamp), stamp)
            write("/camera/camera_info", _camera_info(stamp), stamp)
            write("/truth/labels", _labels(scene, stamp), stamp)


def _table() -> tuple[World, dict[str, dict[str, str]]]:
    """The first well-lit table with a red cube, two balls, and eight things of many kinds."""
    world = World(SEED)
    for _ in range(TRIES):
        world.next_stage()
        world.arrange()
        world.place_camera(*_view(0.5))
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


def _view(time: float) -> tuple[float, float, float, np.ndarray, float]:
    """Half a turn's quarter around the table, rising and coming closer; time in [0,1]."""
    ease = 0.5 - 0.5 * np.cos(np.pi * time)
    azimuth = -0.9 + 1.3 * ease
    elevation = np.radians(38 + 16 * np.sin(np.pi * time))
    distance = 0.98 - 0.12 * np.sin(np.pi * time)
    return azimuth, float(elevation), float(distance), np.array([0.0, 0.0, 0.02]), FOVY


def _header(stamp: int) -> object:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    time = STORE.types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return STORE.types["std_msgs/msg/Header"](time, FRAME_ID)


def _jpeg_bytes(rgb: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _jpeg(rgb: np.ndarray, stamp: int) -> object:
    data = np.frombuffer(_jpeg_bytes(rgb), np.uint8)
    kind = STORE.types["sensor_msgs/msg/CompressedImage"]
    return kind(_header(stamp), "bgr8; jpeg compressed bgr8", data)


def _labels(scene: Scene, stamp: int) -> object:
    objects = np.where(scene.labels <= len(scene.objects), scene.labels, 0).astype(np.uint8)
    kind = STORE.types["sensor_msgs/msg/Image"]
    return kind(_header(stamp), HEIGHT, WIDTH, "mono8", 0, WIDTH, objects.ravel())


def _camera_info(stamp: int) -> object:
    focal = HEIGHT / 2 / np.tan(np.radians(FOVY) / 2)
    k = np.array([focal, 0, WIDTH / 2, 0, focal, HEIGHT / 2, 0, 0, 1.0])
    p = np.array([focal, 0, WIDTH / 2, 0, 0, focal, HEIGHT / 2, 0, 0, 0, 1.0, 0])
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    kind = STORE.types["sensor_msgs/msg/CameraInfo"]
    distortion, straight = np.zeros(5), np.eye(3).ravel()
    return kind(
        _header(stamp), HEIGHT, WIDTH, "plumb_bob", distortion, k, straight, p, 0, 0, region
    )
