"""A picture to time a model on: a few coloured solids on a table, drawn and always the same."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

WALL, TABLE = (176, 184, 190), (139, 107, 74)


def drawn_scene(width: int, height: int) -> npt.NDArray[np.uint8]:
    """uint8 [height, width, 3] RGB with a red cube in the middle, a blue ball, a green cone."""
    scene = np.full((480, 640, 3), TABLE, np.uint8)
    scene[:150] = WALL
    for x, y in ((320, 300), (150, 320), (490, 330)):
        cv2.ellipse(scene, (x + 14, y + 34), (66, 18), 0, 0, 360, (96, 74, 52), cv2.FILLED)
    _cube(scene, 320, 270, 56)
    cv2.circle(scene, (150, 300), 48, (32, 64, 190), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(scene, (134, 282), 14, (104, 136, 236), cv2.FILLED, cv2.LINE_AA)
    cone = np.array([(490, 220), (446, 340), (534, 340)], np.int32)
    cv2.fillPoly(scene, [cone], (34, 140, 60), cv2.LINE_AA)
    return np.asarray(cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cube(scene: npt.NDArray[np.uint8], x: int, y: int, half: int) -> None:
    depth = half // 2
    front = [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
    top = [front[0], (x - depth, y - half - depth), (x + half + depth, y - half - depth), front[1]]
    side = [front[1], top[2], (x + half + depth, y + half - depth), front[2]]
    for face, colour in ((front, (196, 30, 34)), (top, (226, 60, 60)), (side, (150, 20, 26))):
        cv2.fillPoly(scene, [np.array(face, np.int32)], colour, cv2.LINE_AA)
