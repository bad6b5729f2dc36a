"""Scenes that training did not see, each with what is asked of it.

All of it is drawn from one seed, in one order, so that whoever draws the same number of scenes asks
the same questions of the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from sam3_ros.core.geometry import Box
from sam3_ros.training.tabletop import phrases
from sam3_ros.training.tabletop.camera_effects import photograph
from sam3_ros.training.tabletop.phrases import Phrase
from sam3_ros.training.tabletop.world import Scene, World

UNSEEN_SEED = 900_000
PRESENT_PHRASES, ABSENT_PHRASES = 3, 2


@dataclass(frozen=True, eq=False)
class PointedObject:
    """An object of a scene, and the ways to point at it."""

    #: bool [H, W]
    mask: np.ndarray
    #: Column and row of the pixel that lies deepest in it.
    middle: tuple[int, int]
    #: Those of any of its pixels.
    anywhere: tuple[int, int]
    box: Box


@dataclass(frozen=True, eq=False)
class UnseenScene:
    """A scene, and the questions about it."""

    scene: Scene
    #: uint8 RGB [H, W, 3]: the scene as a camera might see it.
    picture: np.ndarray
    #: Each names at least one object; one may be among them twice.
    present: tuple[Phrase, ...]
    absent: tuple[Phrase, ...]
    with_unknown_word: Phrase
    #: In the order of the scene's objects.
    objects: tuple[PointedObject, ...]
    #: Column and row of a place on the bare table.
    on_the_table: tuple[int, int]

    @property
    def kinds(self) -> np.ndarray:
        """Colour and shape of each object, int [N, 2]."""
        return np.array([(item.colour, item.shape) for item in self.scene.objects])

    def named_by(self, phrase: Phrase) -> list[int]:
        """Return the places among the objects of those that a phrase names."""
        return np.flatnonzero(phrase.matches(self.kinds)).tolist()


def unseen_scenes(count: int, seed: int = UNSEEN_SEED) -> Iterator[UnseenScene]:
    """Draw scenes and questions."""
    rng = np.random.default_rng(seed)
    with World(seed) as world:
        for _ in range(count):
            scene = world.draw()
            picture = photograph(scene.image, rng)
            kinds = np.array([(item.colour, item.shape) for item in scene.objects])
            seen = np.ones(len(kinds), bool)
            yield UnseenScene(
                scene,
                picture,
                tuple(phrases.present(kinds, seen, rng) for _ in range(PRESENT_PHRASES)),
                tuple(phrases.absent(kinds, rng) for _ in range(ABSENT_PHRASES)),
                phrases.with_unknown_word(rng),
                tuple(_pointed(scene, number, rng) for number in range(1, len(kinds) + 1)),
                _on_the_table(scene, rng),
            )


def _pointed(scene: Scene, number: int, rng: np.random.Generator) -> PointedObject:
    mask = scene.labels == number
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    row, column = divmod(int(rng.choice(np.flatnonzero(mask))), mask.shape[1])
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    box = Box(left, top, left + width, top + height)
    return PointedObject(mask, (int(x), int(y)), (column, row), box)


def _on_the_table(scene: Scene, rng: np.random.Generator) -> tuple[int, int]:
    nothing = scene.labels == 0
    clear = cv2.erode(nothing.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    row, column = divmod(int(rng.choice(np.flatnonzero(clear))), nothing.shape[1])
    return column, row
