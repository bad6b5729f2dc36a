"""The words of the tabletop world: canonical name -> the other words that mean it.

The trainer makes its phrases from these tables, and the demo judges answers by them, so both
speak of the same things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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


@dataclass(frozen=True)
class TabletopPhrase:
    """colour, shape: canonical names, None for any."""

    colour: str | None
    shape: str | None

    def names(self, colour: str, shape: str) -> bool:
        """Whether an object of this colour and shape is meant."""
        return self.colour in (None, colour) and self.shape in (None, shape)


def read_phrase(text: str) -> TabletopPhrase | None:
    """The meaning of "the red blocks", "balls", "blue object"; None with a word outside of it.

    None says that nothing can be told, not that nothing is named.
    """
    colours: set[str] = set()
    shapes: set[str | None] = set()
    for word in re.findall(r"\w+", text.lower()):
        if word in _COLOUR_OF:
            colours.add(_COLOUR_OF[word])
        elif word in _SHAPE_OF:
            shapes.add(_SHAPE_OF[word])
        elif word not in ARTICLES:
            return None
    if len(colours) > 1 or len(shapes) > 1 or not (colours or shapes):
        return None
    return TabletopPhrase(next(iter(colours), None), next(iter(shapes), None))


def _with_plural(noun: str) -> tuple[str, str]:
    return noun, IRREGULAR_PLURALS.get(noun, f"{noun}s")


_COLOUR_OF = {word: name for name, others in COLOURS.items() for word in (name, *others)}
_SHAPE_OF: dict[str, str | None] = {
    word: name
    for name, others in SHAPES.items()
    for noun in (name, *others)
    for word in _with_plural(noun)
} | {word: None for noun in ANY for word in _with_plural(noun)}
