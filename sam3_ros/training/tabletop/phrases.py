"""Phrases about tabletop objects, and which objects each names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam3_ros.tabletop_words import (
    ANY,
    ARTICLES,
    COLOUR_NAMES,
    COLOURS,
    IRREGULAR_PLURALS,
    SHAPE_NAMES,
    SHAPES,
)

#: What no scene holds. These words share one embedding in the text encoder.
UNKNOWN_COLOURS = ("pink", "brown", "grey", "cyan", "turquoise", "golden", "silver", "transparent")
UNKNOWN_NOUNS = (
    "dog", "cat", "banana", "car", "person", "cup", "mug", "apple", "chair", "bottle", "phone",
    "hammer", "book", "tree", "robot", "screwdriver", "spoon", "plate", "zebra", "bird", "shoe",
    "triangle prism", "egg", "table", "pebble", "stick", "paper", "stone", "wrench", "keyboard",
)  # fmt: skip


#: Words that say more of an object than the network can tell: what they stand beside is not asked.
UNKNOWN_ADJECTIVES = (
    "big", "small", "tiny", "wooden", "metal", "left", "upper", "second", "broken", "open", "two",
)  # fmt: skip
#: What invented words are made of, so that an unknown word may be any word.
SYLLABLES = (
    "ba",
    "zor",
    "mi",
    "kel",
    "tra",
    "ng",
    "ulo",
    "pex",
    "shi",
    "wend",
    "quo",
    "fla",
    "dry",
)


@dataclass(frozen=True)
class Phrase:
    """A text with its meaning."""

    text: str
    #: Index into COLOUR_NAMES; None for any.
    colour: int | None = None
    #: Index into SHAPE_NAMES; None for any.
    shape: int | None = None
    #: False where it names nothing that a scene can hold.
    known: bool = True

    @property
    def meaning(self) -> tuple[int, int]:
        """Classes of colour and shape: an index, the next for any, the one after for unknown."""
        if not self.known:
            return len(COLOUR_NAMES) + 1, len(SHAPE_NAMES) + 1
        colour = len(COLOUR_NAMES) if self.colour is None else self.colour
        return colour, len(SHAPE_NAMES) if self.shape is None else self.shape

    def matches(self, objects: np.ndarray) -> np.ndarray:
        """Return bool [N] for objects int [N,2] (colour, shape; -1 where there is none)."""
        found = objects[:, 0] >= 0
        if not self.known:
            return found & False
        if self.colour is not None:
            found = found & (objects[:, 0] == self.colour)
        if self.shape is not None:
            found = found & (objects[:, 1] == self.shape)
        return found


def all_words() -> list[str]:
    """Return every word that has an embedding of its own in the text encoder."""
    nouns = [n for name, others in SHAPES.items() for n in (name, *others)] + list(ANY)
    nouns += ["one", "something", "anything", "everything", "shape", "toy"]
    colours = [c for name, others in COLOURS.items() for c in (name, *others)]
    return [*nouns, *(plural(n) for n in nouns), *colours, *ARTICLES, "coloured", "colored"]


def taught_words() -> tuple[str, ...]:
    """Return every word of the phrases that name something, sorted: what the network knows.

    A few words more have an embedding, which no phrase has taught.
    """
    nouns = [n for name, others in SHAPES.items() for n in (name, *others)] + list(ANY)
    words = {*nouns, *(plural(noun) for noun in nouns), *ARTICLES}
    words |= {
        word for colour in COLOUR_NAMES for form in _bare_forms(colour) for word in form.split()
    }
    return tuple(sorted(words))


def plural(noun: str) -> str:
    """Return the plural of a noun of the vocabulary."""
    return IRREGULAR_PLURALS.get(noun, noun + "s")


def describe(colour: int | None, shape: int | None, rng: np.random.Generator) -> Phrase:
    """Name a colour, a shape or both in one of many ways."""
    if shape is None:
        noun = str(rng.choice(ANY))
        if colour is not None and rng.random() < 0.3:
            return Phrase(_bare_colour(COLOUR_NAMES[colour], rng), colour, None)
    else:
        name = SHAPE_NAMES[shape]
        noun = name if rng.random() < 0.5 else str(rng.choice((name, *SHAPES[name])))
    adjective = "" if colour is None else COLOUR_NAMES[colour]
    return Phrase(_wrap(adjective, noun, rng), colour, shape)


def _bare_colour(colour: str, rng: np.random.Generator) -> str:
    return str(rng.choice(_bare_forms(colour)))


def _bare_forms(colour: str) -> list[str]:
    forms = [colour, f"something {colour}", f"anything {colour}", f"the {colour} one"]
    return [*forms, f"{colour} ones", f"everything {colour}"]


def _wrap(adjective: str, noun: str, rng: np.random.Generator) -> str:
    noun = plural(noun) if rng.random() < 0.35 else noun
    article = str(rng.choice(ARTICLES)) if rng.random() < 0.4 else ""
    return " ".join(word for word in (article, adjective, noun) if word)


def anything(rng: np.random.Generator) -> Phrase:
    """Draw a phrase about what a scene may hold or, sometimes, never holds."""
    kind = rng.random()
    if kind < 0.1:
        return _unknown(rng)
    return with_unknown_word(rng) if kind < 0.2 else anything_known(rng)


def anything_known(rng: np.random.Generator) -> Phrase:
    """Draw a phrase about what a scene may hold."""
    colour: int | None = int(rng.integers(len(COLOUR_NAMES)))
    shape: int | None = int(rng.integers(len(SHAPE_NAMES)))
    drop = rng.random()
    return describe(None if drop < 0.3 else colour, None if 0.2 < drop < 0.5 else shape, rng)


def absent(objects: np.ndarray, rng: np.random.Generator, near_misses: float = 0.6) -> Phrase:
    """Draw a phrase that names nothing in the scene: often a near miss, so often of the known."""
    if rng.random() < 0.25:
        return _unknown(rng)
    present = objects[objects[:, 0] >= 0]
    for _ in range(20):
        colour: int | None = int(rng.integers(len(COLOUR_NAMES)))
        shape: int | None = int(rng.integers(len(SHAPE_NAMES)))
        if rng.random() < near_misses and len(present):  # right colour or right shape, wrong pair
            colour = int(rng.choice(present[:, 0])) if rng.random() < 0.7 else colour
            shape = int(rng.choice(present[:, 1])) if rng.random() < 0.7 else shape
        drop = rng.random()
        colour, shape = (None if drop < 0.15 else colour), (None if 0.15 < drop < 0.3 else shape)
        phrase = describe(colour, shape, rng)
        if not phrase.matches(objects).any():
            return phrase
    return _unknown(rng)


def _unknown(rng: np.random.Generator) -> Phrase:
    kind = rng.random()
    colour = str(rng.choice(COLOUR_NAMES))
    if kind < 0.4:
        text = _wrap(str(rng.choice(UNKNOWN_COLOURS)), str(rng.choice(SHAPE_NAMES)), rng)
    elif kind < 0.7:
        text = _wrap(colour if rng.random() < 0.6 else "", str(rng.choice(UNKNOWN_NOUNS)), rng)
    else:
        text = str(rng.choice(UNKNOWN_NOUNS))
    return Phrase(text, known=False)


def with_unknown_word(rng: np.random.Generator) -> Phrase:
    """Draw a phrase of known words and, anywhere among them, one that the network never learns."""
    words = anything_known(rng).text.split()
    if rng.random() < 0.5:
        word = "".join(rng.choice(SYLLABLES, rng.integers(2, 4)))
    else:
        word = str(rng.choice((*UNKNOWN_ADJECTIVES, *UNKNOWN_COLOURS, *UNKNOWN_NOUNS)))
    words.insert(int(rng.integers(len(words) + 1)), word)
    return Phrase(" ".join(words), known=False)


def present(objects: np.ndarray, visible: np.ndarray, rng: np.random.Generator) -> Phrase:
    """Draw a phrase that names at least one visible object of the scene."""
    colour, shape = (int(v) for v in objects[rng.choice(np.flatnonzero(visible))])
    kind = rng.random()
    if kind < 0.45:
        return describe(colour, shape, rng)
    if kind < 0.68:
        return describe(colour, None, rng)
    if kind < 0.92:
        return describe(None, shape, rng)
    return describe(None, None, rng)
