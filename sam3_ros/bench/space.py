"""Times what the depth of a frame costs: lifting objects, and clouds; CPU time of one core."""

from __future__ import annotations

import time

import cv2
import numpy as np

from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.clouds import objects_cloud, organised_points, scene_cloud
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.core.space.lift import lift

STEPS = ("lift", "points", "objects_cloud", "scene_cloud")
_PROMPT = "thing"
#: Of a ball in the picture, of its width: ten of them cover about a tenth of it.
_RADIUS = 1 / 18


def space_scene(
    size: ImageSize, count: int
) -> tuple[np.ndarray, DepthImage, PinholeCamera, list[Segment]]:
    """Return a picture, depth in millimetres with noise, camera and masks of balls over a table."""
    height, width = size
    focal = 0.95 * width
    camera = PinholeCamera(focal, focal, (width - 1) / 2, (height - 1) / 2, size)
    rows, columns = np.indices((height, width), np.float32)
    # A table that is 0.9 m away in the middle of the picture and seen at 45 degrees.
    z = 0.9 / (1 + (rows - camera.cy) / focal)
    segments, radius = list[Segment](), _RADIUS * width
    for place in range(count):
        x = width * (0.1 + 0.2 * (place % 5))
        y = height * (0.3 + 0.4 * (place // 5 % 2))
        inside = radius**2 - (columns - x) ** 2 - (rows - y) ** 2
        mask = inside > 0
        top = 0.9 / (1 + (y - camera.cy) / focal)
        z[mask] = top - 0.06 * np.sqrt(inside[mask]) / radius
        segments.append(Segment(_PROMPT, _PROMPT, 0.9, Box(0, 0, 1, 1), mask))
    random = np.random.default_rng(0)
    z += random.normal(0, 0.002, z.shape)
    depth = DepthImage((z * 1000).astype(np.uint16))
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    return image, depth, camera, segments


def times_of(size: ImageSize, count: int, rounds: int) -> dict[str, np.ndarray]:
    """Return the milliseconds of each step in each round, and of all of them: "whole chain"."""
    cv2.setNumThreads(1)
    image, given, camera, segments = space_scene(size, count)
    values = {_PROMPT: 1}
    times: dict[str, list[float]] = {name: [] for name in STEPS}
    for _ in range(rounds + 1):
        depth = DepthImage(given.values)  # metres are computed anew, as of a new frame
        marks = [time.process_time()]
        objects = lift(segments, depth, camera)
        marks.append(time.process_time())
        points = organised_points(depth, camera, image)
        marks.append(time.process_time())
        objects_cloud(objects, depth, camera, values, points=points)
        marks.append(time.process_time())
        scene_cloud(segments, depth, camera, points=points)
        marks.append(time.process_time())
        for name, seconds in zip(STEPS, np.diff(marks), strict=True):
            times[name].append(1000 * float(seconds))
    # The first round computes the camera's rays, once.
    found = {name: np.array(values[1:]) for name, values in times.items()}
    return {**found, "whole chain": np.sum(list(found.values()), axis=0)}
