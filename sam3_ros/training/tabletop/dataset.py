"""Rendered scenes on disk, and the random crops of them that training sees."""

from __future__ import annotations

import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from sam3_ros.training.tabletop.camera_effects import photograph
from sam3_ros.training.tabletop.world import MAX_OBJECTS, SMALLEST_VISIBLE, World

SCENES_PER_SEED = 500
WIDTH, HEIGHT = 320, 240
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SceneFiles:
    """Memory-mapped scenes."""

    #: uint8 RGB [N,240,320,3]
    images: np.ndarray
    #: uint8 [N,480,640]
    labels: np.ndarray
    #: int8 [N,MAX_OBJECTS,2]: colour and shape; -1 where there is no object.
    objects: np.ndarray


def render_scenes(folder: Path, count: int, seed: int) -> SceneFiles:
    """Render `count` scenes into `folder`, or open those that are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"done-{count}-{seed}"
    if not done.exists():
        shapes = {
            "images": ((count, HEIGHT, WIDTH, 3), np.uint8),
            "labels": ((count, 480, 640), np.uint8),
            "objects": ((count, MAX_OBJECTS, 2), np.int8),
        }
        for name, (shape, dtype) in shapes.items():
            np.lib.format.open_memmap(_file(folder, name), "w+", dtype, shape)
        _render_all(folder, count, seed)
        done.touch()
    return _open(folder, "r")


def _open(folder: Path, mode: Literal["r", "r+"]) -> SceneFiles:
    names = ("images", "labels", "objects")
    return SceneFiles(*(np.load(_file(folder, name), mmap_mode=mode) for name in names))


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _render_all(folder: Path, count: int, seed: int) -> None:
    """Render on all cores; each part has a seed of its own, so their number changes nothing."""
    starts = range(0, count, SCENES_PER_SEED)
    parts = [(folder, start, min(start + SCENES_PER_SEED, count), seed) for start in starts]
    processes = min(len(parts), os.cpu_count() or 1)
    if processes == 1:
        for part in parts:
            _render_part(*part)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, fresh) as pool:
        for (_, _, end, _), _ in zip(
            parts, pool.map(_render_part, *zip(*parts, strict=True)), strict=True
        ):
            log.info("rendered %d of %d scenes", end, count)


def _render_part(folder: Path, start: int, end: int, seed: int) -> None:
    files = _open(folder, "r+")
    with World(seed + start, WIDTH, HEIGHT) as world:
        for index in range(start, end):
            scene = world.draw()
            files.images[index] = scene.image
            files.labels[index] = scene.labels
            files.objects[index] = -1
            for number, item in enumerate(scene.objects):
                files.objects[index, number] = (item.colour, item.shape)


@dataclass(frozen=True, eq=False)
class Sample:
    """One training view."""

    #: uint8 RGB [240,320,3]
    image: np.ndarray
    #: uint8 [480,640]
    labels: np.ndarray
    #: int8 [MAX_OBJECTS,2]
    objects: np.ndarray
    #: bool [MAX_OBJECTS]: enough of the object is in the crop.
    visible: np.ndarray


def random_view(files: SceneFiles, index: int, rng: np.random.Generator) -> Sample:
    """Mirror, crop and photograph scene `index` at random."""
    image, labels = files.images[index], files.labels[index]
    # What is enlarged is no longer small, and it is the small things that are missed.
    zoom = float(rng.uniform(1.0, 1.45)) if rng.random() < 0.4 else 1.0
    left, top = (float(rng.uniform(0, span - span / zoom)) for span in (WIDTH, HEIGHT))
    flip = rng.random() < 0.5
    image = cv2.warpAffine(
        image, _crop_matrix(zoom, left, top, flip, WIDTH), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR
    )
    labels = cv2.warpAffine(
        labels,
        _crop_matrix(zoom, 2 * left, 2 * top, flip, 640),
        (640, 480),
        flags=cv2.INTER_NEAREST,
    )
    seen = np.bincount(labels.ravel(), minlength=256)[1 : MAX_OBJECTS + 1]
    objects = np.array(files.objects[index])
    visible = (seen >= SMALLEST_VISIBLE) & (objects[:, 0] >= 0)
    return Sample(photograph(image, rng), labels, objects, visible)


def _crop_matrix(zoom: float, left: float, top: float, flip: bool, width: int) -> np.ndarray:
    """Return the affine of pixel indices that maps pixel centres by x' = zoom * (x - left)."""
    shift = 0.5 * zoom - 0.5
    matrix = np.array([[zoom, 0, shift - zoom * left], [0, zoom, shift - zoom * top]])
    if flip:
        matrix[0] = [-matrix[0, 0], 0, width - 1 - matrix[0, 2]]
    return matrix
