"""What two bundles are asked: pictures with texts, and clicks on what was found there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.tracking.association import best_pairs, overlaps_of
from sam3_ros.core.tracking.place import Place

TABLE = Path(__file__).resolve().parents[2] / "demo_data" / "table.jpg"
#: What is asked of the shipped picture: objects that are there, and some that are not.
TEXTS = (
    *("object", "red object", "white object", "black object", "red cube"),
    *("cube", "ball", "cylinder", "cone", "pyramid", "ring", "star"),
)
#: Objects of a picture that are clicked; each is two questions.
MOST_CLICKED = 12
#: Two texts that find masks with so much in common mean one object.
SAME_OBJECT = 0.5
#: Where there is no object to click: parts of the picture's sides.
GRID = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class AskedPicture:
    """A picture and the texts that are asked of it."""

    #: For people.
    name: str
    #: uint8 [H, W, 3] in RGB.
    rgb: npt.NDArray[np.uint8]
    #: One concept each.
    texts: tuple[str, ...]


def shipped_pictures(texts: Sequence[str] = ()) -> tuple[AskedPicture, ...]:
    """Return the shipped picture of a table and its mirror image; texts: others than TEXTS."""
    table = read_rgb(TABLE)
    asked = tuple(texts) or TEXTS
    mirrored = np.ascontiguousarray(table[:, ::-1])
    return AskedPicture(TABLE.name, table, asked), AskedPicture("mirrored", mirrored, asked)


def pictures_of(files: Iterable[Path], texts: Sequence[str]) -> Iterator[AskedPicture]:
    """Read picture files, one at a time. Raises ImageError for one that cannot be read."""
    for file in files:
        yield AskedPicture(str(file), read_rgb(file), tuple(texts))


def clicks_on(found: Iterable[Place], size: ImageSize) -> list[InteractivePrompt]:
    """Return a click into each object and a box around it; without any, clicks on a grid.

    An object that several texts found counts once.
    """
    once: list[Place] = []
    for place in found:
        if len(once) < MOST_CLICKED and not best_pairs(overlaps_of([place], once), SAME_OBJECT):
            once.append(place)
    if not once:
        points = [(size.width * x, size.height * y) for y in GRID for x in GRID]
        return [InteractivePrompt(points=(point,)) for point in points]
    clicks = [InteractivePrompt(points=(place.inmost_point,)) for place in once]
    return [*clicks, *(InteractivePrompt(box=place.box) for place in once)]
