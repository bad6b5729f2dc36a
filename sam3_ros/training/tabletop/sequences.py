"""Short clips of a tabletop, for the stages that remember: the camera or the objects move.

Objects leave the view and come back, slide behind each other, and two that look alike change
places. How far things move from image to image is drawn for each clip, since nobody knows how many
images a robot will skip.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam3_ros.training.tabletop.world import MAX_OBJECTS, World

FRAMES = 10
WIDTH, HEIGHT = 320, 240
CLIPS_PER_STAGE = 20
#: Columns of a 640x480 image that something on the table moves by from image to image.
SLOWEST, FASTEST = 3.0, 80.0
#: Pixels of such an image to a metre on the table, from 0.8 m.
PIXELS_PER_METRE = 760.0
log = logging.getLogger(__name__)

Path2D = Callable[[int], np.ndarray]


@dataclass(frozen=True, eq=False)
class ClipFiles:
    """Memory-mapped clips."""

    #: uint8 RGB [N,FRAMES,240,320,3], without camera effects.
    images: np.ndarray
    #: uint8 [N,FRAMES,240,320]: as in a scene.
    labels: np.ndarray
    #: int8 [N,MAX_OBJECTS,2]: colour and shape; -1 where there is no object.
    objects: np.ndarray


def render_clips(folder: Path, count: int, seed: int) -> ClipFiles:
    """Render `count` clips into `folder`, or open those that are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"done-{count}-{seed}"
    shapes = {
        "images": ((count, FRAMES, HEIGHT, WIDTH, 3), np.uint8),
        "labels": ((count, FRAMES, HEIGHT, WIDTH), np.uint8),
        "objects": ((count, MAX_OBJECTS, 2), np.int8),
    }
    mode = "r" if done.exists() else "w+"
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode, dtype, shape)
        for name, (shape, dtype) in shapes.items()
    }
    files = ClipFiles(**arrays)
    if mode == "w+":
        _fill(files, count, seed)
        done.touch()
    return files


def _fill(files: ClipFiles, count: int, seed: int) -> None:
    for start in range(0, count, CLIPS_PER_STAGE):
        rng = np.random.default_rng((seed, start))
        with World(seed + start, WIDTH, HEIGHT, CLIPS_PER_STAGE, (WIDTH, HEIGHT)) as world:
            for index in range(start, min(start + CLIPS_PER_STAGE, count)):
                film(world, files, index, rng)
        log.info("rendered %d of %d clips", min(start + CLIPS_PER_STAGE, count), count)


def film(world: World, files: ClipFiles, index: int, rng: np.random.Generator) -> None:
    """Render one clip: its middle frame is an ordinary scene."""
    world.next_stage()
    kinds: tuple[object, ...] = ()
    while len(kinds) < 2:
        world.arrange()
        kinds = world.look().objects
    camera = camera_path(world.view, rng, FRAMES)
    movers = object_paths(world, rng, FRAMES)
    files.objects[index] = -1
    for frame in range(FRAMES):
        world.place_camera(*camera(frame))
        for number, path in movers.items():
            world.move(number, path(frame))
        scene = world.look(keep_all=True)
        files.images[index, frame], files.labels[index, frame] = scene.image, scene.labels
    for number, item in enumerate(scene.objects):
        files.objects[index, number] = (item.colour, item.shape)


View = tuple[float, float, float, np.ndarray, float]  # as World.place_camera takes it


def camera_path(view: View, rng: np.random.Generator, frames: int) -> Callable[[int], View]:
    """Return the camera's views: it stands, pans, goes around, or does both of these."""
    azimuth, elevation, distance, target, fovy = view
    kind = rng.choice(["stand", "pan", "walk", "both"], p=[0.2, 0.35, 0.2, 0.25])
    step = pace(rng) / PIXELS_PER_METRE
    steps = _steps(step * PIXELS_PER_METRE, rng, frames)
    heading = rng.uniform(0, 2 * np.pi)
    pan = step * np.array([np.cos(heading), np.sin(heading), 0.0]) * (kind in ("pan", "both"))
    # Things stand about 0.3 m from what the camera goes around.
    turn = step / 0.3 * rng.choice([-1, 1]) * (kind in ("walk", "both"))
    rise, nearer = rng.normal(0, 0.01), rng.normal(0, 0.01)

    def look_from(frame: int) -> View:
        gone = steps[frame]
        return (
            azimuth + turn * gone,
            float(np.clip(elevation + rise * frame, 0.45, 1.35)),
            float(np.clip(distance * (1 + nearer * frame), 0.55, 1.1)),
            target + pan * gone,
            fovy,
        )

    return look_from


def pace(rng: np.random.Generator) -> float:
    """Return how far things move from image to image, in columns of a 640x480 image."""
    return float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST))))


def _steps(pixels: float, rng: np.random.Generator, frames: int) -> np.ndarray:
    """Return how many steps have been gone by each frame, 0 in one near the middle: there, or
    there and back again, unevenly."""
    times = np.arange(frames, dtype=np.float64)
    strides = np.exp(rng.normal(0, 0.25, frames))
    back = rng.random() < (0.8 if pixels * frames > 500 else 0.35)
    if back:
        turning = rng.integers(2, frames - 2)
        gone = np.where(times <= turning, times, 2 * turning - times)
        return gone + rng.normal(0, 0.15, frames)
    return np.cumsum(strides) - strides[: frames // 2].sum() * rng.integers(0, 2)


def object_paths(world: World, rng: np.random.Generator, frames: int) -> dict[int, Path2D]:
    """Return the paths on the table of the objects that move, by number from 0."""
    kind = rng.choice(["none", "slide", "cross"], p=[0.4, 0.3, 0.3])
    places = world.places()
    if kind == "slide":
        count = min(len(places), int(rng.integers(1, 4)))
        return {
            int(number): _slide(places[number], rng, frames)
            for number in rng.choice(len(places), count, replace=False)
        }
    return _cross(world, places, rng, frames) if kind == "cross" else {}


def _slide(place: np.ndarray, rng: np.random.Generator, frames: int) -> Path2D:
    heading = rng.uniform(0, 2 * np.pi)
    step = pace(rng) / PIXELS_PER_METRE * np.array([np.cos(heading), np.sin(heading)])
    steps = _steps(float(np.hypot(*step)) * PIXELS_PER_METRE, rng, frames)
    return lambda frame: place + step * steps[frame]


def _cross(
    world: World, places: np.ndarray, rng: np.random.Generator, frames: int
) -> dict[int, Path2D]:
    """Turn two objects around the point between them, painted alike where their shape is one."""
    kinds = [item.shape for item in world.kinds()]
    pairs = [(a, b) for a in range(len(places)) for b in range(a)]
    alike = [pair for pair in pairs if kinds[pair[0]] == kinds[pair[1]]]
    apart = {pair: float(np.hypot(*(places[pair[0]] - places[pair[1]]))) for pair in pairs}
    one, other = min(alike or pairs, key=lambda pair: abs(apart[pair] - rng.uniform(0.1, 0.3)))
    if kinds[one] == kinds[other] and rng.random() < 0.8:
        world.paint_alike(one, other)
    middle = (places[one] + places[other]) / 2
    angle = rng.choice([-1, 1]) * np.pi * rng.uniform(0.5, 1.4) / frames
    start = rng.uniform(-0.5, 0.5)

    def turned(place: np.ndarray) -> Path2D:
        x, y = place - middle

        def path(frame: int) -> np.ndarray:
            c, s = np.cos(angle * (frame + start)), np.sin(angle * (frame + start))
            return middle + np.array([c * x - s * y, s * x + c * y])

        return path

    return {one: turned(places[one]), other: turned(places[other])}
