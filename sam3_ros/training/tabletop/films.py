"""Films of tables for the evaluation of following: what a robot's camera sees, frame by frame.

A camera pans off each table in four directions, or walks around it; things leave and come back; two
that look alike change places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sam3_ros.training.tabletop.sequences import PIXELS_PER_METRE, View
from sam3_ros.training.tabletop.world import World

FilmKind = Literal["pan", "walk", "return", "cross"]
#: Columns of the image that things move by from frame to frame.
PACE = 10.0
PAN_FRAMES, WALK_FRAMES, RETURN_FRAMES, CROSS_FRAMES = 40, 36, 60, 36
NOISE = 1.5
DISTANCE, FOVY = 0.9, 45.0
FIRST_SEED = 950_000
LEAST_OBJECTS, MOST_OBJECTS = 8, 10
TRIES = 2000


@dataclass(frozen=True, eq=False)
class Film:
    """The frames of one table."""

    kind: FilmKind
    #: uint8 RGB [480,640,3] each.
    images: list[np.ndarray]
    #: uint8 [480,640] each: 0 background, 1 to N the objects, from FIRST_CLUTTER_ID on clutter.
    labels: list[np.ndarray]
    #: Numbers of the objects that are followed.
    followed: tuple[int, ...]


def films(tables: int = 4, walks: int = 3, others: int = 6) -> Iterator[Film]:
    """Film `tables` tables by pans, `walks` of them by walks, and `others` of each other kind."""
    for table in range(tables):
        with _table(FIRST_SEED + table) as world:
            view = world.view
            for heading in range(4):
                yield _pan(world, view, heading * np.pi / 2, table * 10 + heading)
            if table < walks:
                yield _walk(world, view, table * 10 + 4)
    for table in range(others):
        with _table(FIRST_SEED + 100 + table) as world:
            yield _return(world, world.view, table * np.pi / 3, 1000 + table)
    for table in range(others):
        with _table(FIRST_SEED + 200 + table) as world:
            yield _cross(world, world.view, 2000 + table)


def _table(seed: int) -> World:
    """Set a table of LEAST_OBJECTS to MOST_OBJECTS objects in the middle of the view."""
    world = World(seed)
    for _ in range(TRIES):
        world.next_stage()
        world.arrange()
        middle = np.array([*world.places().mean(0), 0.02])
        world.view = (world.view[0], np.radians(45.0), DISTANCE, middle, FOVY)
        world.place_camera(*world.view)
        scene = world.look()
        if LEAST_OBJECTS <= len(scene.objects) <= MOST_OBJECTS:
            return world
    world.close()
    raise RuntimeError(f"none of {TRIES} tables has {LEAST_OBJECTS} to {MOST_OBJECTS} things")


def _film(
    world: World,
    kind: FilmKind,
    frames: int,
    view_at: Callable[[int], View],
    seed: int,
    before: Callable[[int], None] | None = None,
    followed: tuple[int, ...] = (),
) -> Film:
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for frame in range(frames):
        world.place_camera(*view_at(frame))
        if before is not None:
            before(frame)
        scene = world.look(keep_all=True)
        noisy = scene.image + rng.normal(0.0, NOISE, scene.image.shape)
        images.append(np.clip(noisy, 0, 255).astype(np.uint8))
        labels.append(scene.labels)
    return Film(kind, images, labels, followed or tuple(range(1, len(scene.objects) + 1)))


def _shifted(view: View, heading: float, pixels: float) -> View:
    """Move the camera so that what it looks at goes by so many columns; heading 0: to the right."""
    azimuth, elevation, distance, target, fovy = view
    metres = pixels / PIXELS_PER_METRE * distance / 0.8
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    ahead = np.array([-np.cos(azimuth), -np.sin(azimuth), 0.0])
    move = metres * (np.cos(heading) * right + np.sin(heading) * ahead)
    return azimuth, elevation, distance, target + move, fovy


def _pan(world: World, view: View, heading: float, seed: int) -> Film:
    return _film(world, "pan", PAN_FRAMES, lambda n: _shifted(view, heading, n * PACE), seed)


def _walk(world: World, view: View, seed: int) -> Film:
    azimuth, elevation, distance, target, fovy = view
    turn = PACE / PIXELS_PER_METRE / 0.3

    def view_at(frame: int) -> View:
        return azimuth + turn * frame, elevation, distance, target, fovy

    return _film(world, "walk", WALK_FRAMES, view_at, seed)


def _return(world: World, view: View, heading: float, seed: int) -> Film:
    """Pan away, twice as fast, until most objects are gone, wait, and come back."""
    far = 2 * PACE * 22

    def view_at(frame: int) -> View:
        gone = min(2 * PACE * frame, far, 2 * PACE * (RETURN_FRAMES - 4 - frame))
        return _shifted(view, heading, max(0.0, gone))

    return _film(world, "return", RETURN_FRAMES, view_at, seed)


def _cross(world: World, view: View, seed: int) -> Film:
    """Turn two objects of one shape and colour half around the point between them."""
    places, kinds = world.places(), world.kinds()
    pairs = [(a, b) for a in range(len(places)) for b in range(a)]

    def fitness(pair: tuple[int, int]) -> float:
        apart = float(np.hypot(*(places[pair[0]] - places[pair[1]])))
        return abs(apart - 0.2) + 10.0 * (kinds[pair[0]].shape != kinds[pair[1]].shape)

    one, other = min(pairs, key=fitness)
    world.paint_alike(one, other)
    middle = (places[one] + places[other]) / 2

    def turn(frame: int) -> None:
        angle = np.pi * frame / (CROSS_FRAMES - 1)
        c, s = np.cos(angle), np.sin(angle)
        for number in (one, other):
            x, y = places[number] - middle
            world.move(number, middle + np.array([c * x - s * y, s * x + c * y]))

    followed = (one + 1, other + 1)
    return _film(world, "cross", CROSS_FRAMES, lambda _: view, seed, turn, followed)
