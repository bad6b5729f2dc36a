"""Colours of prompts and of tracks, and the shades and patterns that objects are filled with.

The colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008), without black: they
stay apart for people with any of the common kinds of colour blindness. Their order here keeps the
first ones furthest apart, in lightness too.
"""

from __future__ import annotations

from enum import Enum

Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),  # sky blue
    (213, 94, 0),  # vermillion
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (204, 121, 167),  # reddish purple
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
)

# Orange and blue are furthest apart of those that the first prompts leave.
_OF_TRACKS = tuple(COLOURS[place] for place in (5, 3, 6, 4, 2, 1, 0))


class Pattern(Enum):
    """How the mask of an object is filled: tells prompts or tracks of one colour apart."""

    PLAIN = 0
    STRIPES = 1
    CHEQUERS = 2


#: Prompts with a look of their own; those after them begin again.
DISTINCT_PROMPTS = len(COLOURS) * len(Pattern)

# Part of white, or of black where negative, in the fill of a prompt's objects, one after another.
_SHADES = (0.0, 0.7, -0.6)


def prompt_colour(value: int) -> Colour:
    """Return the RGB colour of the prompt with this label value, from 1."""
    return COLOURS[(value - 1) % len(COLOURS)]


def track_colour(track_id: int) -> Colour:
    """Return the RGB colour of the track with this id, from 1.

    They have an order of their own, so that the first tracks and the first prompts differ.
    """
    return _OF_TRACKS[(track_id - 1) % len(_OF_TRACKS)]


def pattern_of(value: int) -> Pattern:
    """Return the pattern of the prompt with this label value, or the track with this id, from 1."""
    return Pattern((value - 1) // len(COLOURS) % len(Pattern))


def shaded(colour: Colour, place: int) -> Colour:
    """Return one of three shades, for the prompt's object at this place, from 0."""
    part = _SHADES[place % len(_SHADES)]
    towards = WHITE if part > 0 else BLACK
    red, green, blue = (
        round(level + abs(part) * (end - level)) for level, end in zip(colour, towards, strict=True)
    )
    return red, green, blue


def readable_on(colour: Colour) -> Colour:
    """Return black or white, whichever has more contrast with a colour.

    Relative luminance and contrast are those of WCAG 2.
    """
    luminance = _luminance(colour)
    return BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else WHITE


def _luminance(colour: Colour) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (level / 255 for level in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
