"""What the demo's bag is made of: its messages, and the picture beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore

from sam3_ros.training.tabletop.world import Scene

WIDTH, HEIGHT, FOVY = 640, 480, 45.0
JPEG_QUALITY = 80
STILL, DEPTH_STILL, CAMERA_STILL = "table.jpg", "table_depth.png", "table_camera.yaml"
STORE = get_typestore(Stores.ROS2_HUMBLE)


def write_still(folder: Path, frame_id: str, image: np.ndarray, depth: np.ndarray) -> None:
    """Write a picture, its depth (PNG of 16 bits, mm) and its camera (calibration's form)."""
    (folder / STILL).write_bytes(jpeg_bytes(image))
    png = cv2.imencode(".png", depth, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    (folder / DEPTH_STILL).write_bytes(png.tobytes())
    focal, x, y = focal_of(HEIGHT), (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    (folder / CAMERA_STILL).write_text(
        f"# Of {STILL}; {DEPTH_STILL} is of half its size.\n"
        f"image_width: {WIDTH}\n"
        f"image_height: {HEIGHT}\n"
        f"camera_name: {frame_id}\n"
        "camera_matrix:\n"
        "  rows: 3\n"
        "  cols: 3\n"
        f"  data: [{focal:.6f}, 0.0, {x}, 0.0, {focal:.6f}, {y}, 0.0, 0.0, 1.0]\n"
        "distortion_model: plumb_bob\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0.0, 0.0, 0.0, 0.0, 0.0]}\n"
    )


def header_of(stamp: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    time = STORE.types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return STORE.types["std_msgs/msg/Header"](time, frame_id)


def jpeg_bytes(rgb: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def jpeg_message(rgb: np.ndarray, header: Any) -> Any:
    data = np.frombuffer(jpeg_bytes(rgb), np.uint8)
    kind = STORE.types["sensor_msgs/msg/CompressedImage"]
    return kind(header, "bgr8; jpeg compressed bgr8", data)


def labels_message(scene: Scene, header: Any) -> Any:
    objects = np.where(scene.labels <= len(scene.objects), scene.labels, 0).astype(np.uint8)
    kind = STORE.types["sensor_msgs/msg/Image"]
    return kind(header, HEIGHT, WIDTH, "mono8", 0, WIDTH, objects.ravel())


def focal_of(height: int) -> float:
    return float(height / 2 / np.tan(np.radians(FOVY) / 2))


def camera_info_message(header: Any, width: int, height: int) -> Any:
    focal, x, y = focal_of(height), (width - 1) / 2, (height - 1) / 2  # of pixel centres
    k = np.array([focal, 0, x, 0, focal, y, 0, 0, 1.0])
    p = np.array([focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1.0, 0])
    region = STORE.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    kind = STORE.types["sensor_msgs/msg/CameraInfo"]
    distortion, straight = np.zeros(5), np.eye(3).ravel()
    return kind(header, height, width, "plumb_bob", distortion, k, straight, p, 0, 0, region)


def depth_message(depth: np.ndarray, header: Any) -> Any:
    """Return a message of whole millimetres, uint16 [H,W]."""
    height, width = depth.shape
    kind = STORE.types["sensor_msgs/msg/Image"]
    data = depth.astype("<u2").view(np.uint8).ravel()
    return kind(header, height, width, "16UC1", 0, 2 * width, data)
