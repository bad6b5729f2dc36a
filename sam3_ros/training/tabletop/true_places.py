"""Where the objects of a scene truly are, as far as the camera sees them.

The truth is of the visible part: the smallest box that stands on the table around every point that
the camera sees of an object, from exact depth and exact masks; its middle is the centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sam3_ros.core.space.boxes import standing_box
from sam3_ros.core.space.spatial_object import BoxStance
from sam3_ros.training.tabletop.world import Scene, World

# Of the labels' image: of what is hardly seen there is no truth.
_LEAST_PIXELS = 100
_DIGITS = 4  # tenths of a millimetre


def true_places(world: World, scene: Scene) -> dict[int, dict[str, Any]]:
    """Return the centre and the box's lengths (largest first) of each object in sight, by number.

    scene: what world.look() has just shown. Metres, in the camera's optical frame.
    """
    depth = world.depth().astype(np.float64)
    height, width = depth.shape
    _, axes, fovy = world.camera_pose
    focal = height / 2 / np.tan(np.radians(fovy) / 2)
    rows, columns = np.indices(depth.shape)
    across, down = (columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal
    points = np.stack([across * depth, down * depth, depth], axis=-1)
    up = axes[:, 2] * [1, -1, -1]  # optical: right, down, ahead
    places: dict[int, dict[str, Any]] = {}
    for number in range(1, len(scene.objects) + 1):
        seen = points[scene.labels == number]
        if len(seen) >= _LEAST_PIXELS:
            box = standing_box(seen.T, up, BoxStance.UP, 0.001)
            lengths = sorted(box.size, reverse=True)
            places[number] = {
                "centre": [round(float(part), _DIGITS) for part in box.centre],
                "box": [round(float(length), _DIGITS) for length in lengths],
            }
    return places
