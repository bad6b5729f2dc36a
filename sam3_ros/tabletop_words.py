"""The words of the tabletop world and what a phrase made of them means.

The trainer makes its phrases from these tables, and demo and replay judge answers by them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Canonical colour -> other words for it.
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

#: Canonical shape -> other words for it.
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
    """The objects that a phrase means: of a colour, of a shape, both, or any."""

    #: Canonical name, None for any.
    colour: str | None
    #: Canonical name, None for any.
    shape: str | None

    def names(self, colour: str, shape: str) -> bool:
        """Return whether an object of this colour and shape is meant."""
        return self.colour in (None, colour) and self.shape in (None, shape)


def read_phrase(text: str) -> TabletopPhrase | None:
    """Return the meaning of "the red blocks", "balls", "blue object".

    None for a phrase with a word that is not in the tables: then its meaning is unknown, which is
    not to say that it names nothing.
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
