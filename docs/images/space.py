"""Draw docs/images/space.jpg: a picture with its masks, and its cloud with boxes around objects.

Run it in the repository: `.venv/bin/python docs/images/space.py`. All of it is the real chain on
what is shipped: the tabletop model, a picture, its depth and its camera; the view is made up.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sam3_ros import ConceptPrompt, Segmenter, lift
from sam3_ros.core.pictures.captions import Caption, draw_captions
from sam3_ros.core.pictures.overlay import draw_overlay
from sam3_ros.core.pictures.palette import BLACK, prompt_colour, readable_on
from sam3_ros.core.pictures.placement import Area
from sam3_ros.core.space.clouds import objects_cloud, scene_cloud
from sam3_ros.core.space.orientation import matrix_of
from sam3_ros.core.space_files.camera_file import read_camera
from sam3_ros.core.space_files.depth_file import read_depth

DATA = Path(__file__).parents[2] / "sam3_ros" / "demo_data"
PHRASES = ("red cube", "ball", "star", "ring", "pyramid", "cylinder")
WIDTH, HEIGHT, SCALE = 640, 480, 3
# The picture's camera looks down at the table by so much; the view is turned around what it looks
# at, m in the camera's frame.
_DOWN = np.radians(54)
UP, TOWARDS = (
    np.array([0.0, -np.cos(_DOWN), -np.sin(_DOWN)]),
    np.array([0.0, np.sin(_DOWN), -np.cos(_DOWN)]),
)
TARGET, DISTANCE, FOCAL = np.array([0.02, 0.01, 0.86]), 0.9, 640.0
ELEVATION, AZIMUTH = np.radians(36), np.radians(33)
ASIDE = np.cos(AZIMUTH) * TOWARDS + np.sin(AZIMUTH) * np.array([1.0, 0.0, 0.0])
EYE = TARGET + DISTANCE * (np.cos(ELEVATION) * ASIDE + np.sin(ELEVATION) * UP)
PAPER = (250, 250, 250)
EDGES = (
    *((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4)),
    *((n, n + 4) for n in range(4)),
)


def look_at() -> np.ndarray:
    """Return the axes of the view as rows: right, down, ahead."""
    ahead = (TARGET - EYE) / np.linalg.norm(TARGET - EYE)
    right = np.cross(-UP, ahead)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead])


def project(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return px [N, 2] at the drawing's scale, and distances along the view, m [N]."""
    seen = (points - EYE) @ look_at().T
    px = seen[:, :2] / seen[:, 2:] * FOCAL + [WIDTH / 2, HEIGHT / 2]
    return px * SCALE, seen[:, 2]


def draw_cloud(
    canvas: np.ndarray, cloud: np.ndarray, tint: dict[int, tuple[int, int, int]]
) -> None:
    """Draw points as discs, the farthest first; those of a label are tinted with its colour."""
    px, distance = project(np.stack([cloud["x"], cloud["y"], cloud["z"]], axis=1).astype(float))
    bits = np.ascontiguousarray(cloud["rgb"]).view(np.uint32)
    rgb = np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(float)
    for value, colour in tint.items():
        own = cloud["label"] == value
        rgb[own] = 0.6 * rgb[own] + 0.4 * np.array(colour)
    for n in np.argsort(-distance):
        radius = round(1.75 * SCALE / distance[n])
        cv2.circle(canvas, tuple(np.rint(px[n]).astype(int)), radius, rgb[n], cv2.FILLED)


def main() -> None:
    depth, camera = read_depth(DATA / "table_depth.png"), read_camera(DATA / "table_camera.yaml")
    image = cv2.cvtColor(cv2.imread(str(DATA / "table.jpg")), cv2.COLOR_BGR2RGB)
    values = {phrase: value for value, phrase in enumerate(PHRASES, start=1)}
    with Segmenter.load("tabletop") as segmenter:
        prompts = [ConceptPrompt(id=phrase, text=phrase) for phrase in PHRASES]
        segments = segmenter.ask(segmenter.encode_image(image), prompts)
    objects = lift(segments, depth, camera)
    scene = scene_cloud(segments, depth, camera, image)
    found = objects_cloud(objects, depth, camera, values, image)
    both = np.zeros(len(scene) + len(found), found.dtype)
    for name in scene.dtype.names:
        both[name] = np.concatenate([scene[name], found[name]])
    both["label"][len(scene) :] = found["label"]
    canvas = np.full((HEIGHT * SCALE, WIDTH * SCALE, 3), PAPER, np.uint8)
    draw_cloud(canvas, both, {value: prompt_colour(value) for value in values.values()})
    captions = []
    for each in objects:
        if each.box is None:
            continue
        colour = prompt_colour(values[each.prompt_id])
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
        px, _ = project(
            corners * each.box.size @ matrix_of(each.box.quaternion).T + each.box.centre
        )
        for below, line in ((3, BLACK), (0, colour)):
            for one, other in EDGES:
                ends = [tuple(np.rint(px[n]).astype(int)) for n in (one, other)]
                cv2.line(canvas, *ends, line, 2 * SCALE // 2 + below, cv2.LINE_AA)
        left, top = np.floor(px.min(axis=0) / SCALE).astype(int)
        right, bottom = np.ceil(px.max(axis=0) / SCALE).astype(int)
        size = " x ".join(f"{length * 1000:.0f}" for length in each.box.size)
        area = Area(*(int(edge) for edge in (left, top, right, bottom)))
        captions.append(
            Caption(each.label, each.score, area, colour, readable_on(colour), unseen=f"{size} mm")
        )
    small = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    draw_captions(small, captions, 12)
    overlay = draw_overlay(image, segments, values)
    gap = np.full((HEIGHT, 8, 3), 255, np.uint8)
    both_sides = np.concatenate([overlay, gap, small], axis=1)
    path = Path(__file__).with_name("space.jpg")
    bgr = cv2.cvtColor(both_sides, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
