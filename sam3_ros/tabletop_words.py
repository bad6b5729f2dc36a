"""The words of the tabletop world: canonical name -> the other words that mean it.

The trainer makes its phrases from these tables, and the demo judges answers by them, so both
speak of the same things.
"""

from __future__ import annotations

COLOURS: dict[str, tuple[str, ...]] = {
    "red": (),
    "orange": (),
    "yellow": (),
    "green": (),
    "blue": (),
    "purple": (),
    "white": (),
    "black": (),
}

SHAPES: dict[str, tuple[str, ...]] = {
    "cube": ("block", "box"),
    "ball": ("sphere", "orb"),
    "cylinder": ("can", "tin"),
    "cone": (),
    "pyramid": (),
    "ring": ("donut", "torus", "hoop"),
    "capsule": ("pill",),
    "star": (),
}

COLOUR_NAMES = tuple(COLOURS)
SHAPE_NAMES = tuple(SHAPES)

#: Nouns that mean an object of any shape.
ANY: tuple[str, ...] = ("object", "thing", "item")

#: Plurals that are not made by appending an s.
IRREGULAR_PLURALS: dict[str, str] = {"box": "boxes", "torus": "toruses"}

#: Words that carry no meaning of their own.
ARTICLES: tuple[str, ...] = ("a", "an", "the", "all", "any", "every", "some")
