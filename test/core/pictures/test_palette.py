"""Colours: apart for everybody, and readable with what is written on them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from sam3_ros.core.pictures.palette import (
    BLACK,
    COLOURS,
    DISTINCT_PROMPTS,
    Colour,
    pattern_of,
    prompt_colour,
    readable_on,
    shaded,
    track_colour,
)

# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based Model for Simulation
# of Color Vision Deficiency" (2009), severity 1, for linear RGB.
SEEN_BY = {
    "anybody": np.eye(3),
    "protanopes": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopes": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopes": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ_OF_RGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
WHITE_XYZ = np.array([0.9505, 1.0, 1.089])


def linear(colour: Colour) -> np.ndarray:
    part = np.array(colour) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(colour: Colour, eyes: str) -> np.ndarray:
    seen = np.clip(SEEN_BY[eyes] @ linear(colour), 0, 1)
    x, y, z = np.cbrt(np.maximum(XYZ_OF_RGB @ seen / WHITE_XYZ, 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted(float(XYZ_OF_RGB[1] @ linear(each)) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_all_colours_stay_apart(eyes: str) -> None:
    # A difference of 2.3 (CIE 1976) is just noticed side by side.
    for one, other in combinations(COLOURS, 2):
        assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 15


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_the_first_four_are_far_apart(eyes: str) -> None:
    for one, other in combinations(COLOURS[:4], 2):
        assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 20
    assert np.linalg.norm(lab(track_colour(1), eyes) - lab(track_colour(2), eyes)) > 50


def test_the_first_tracks_and_the_first_prompts_differ() -> None:
    tracks, prompts = ({look(n) for n in (1, 2, 3)} for look in (track_colour, prompt_colour))
    assert not tracks & prompts
    assert {track_colour(n) for n in range(1, 8)} == set(COLOURS)


@pytest.mark.parametrize("colour_of", [prompt_colour, track_colour])
def test_a_label_value_or_id_has_one_look_until_the_looks_are_used_up(
    colour_of: Callable[[int], Colour],
) -> None:
    looks = [(colour_of(n), pattern_of(n)) for n in range(1, 255)]
    assert len(set(looks[:DISTINCT_PROMPTS])) == DISTINCT_PROMPTS == 21
    assert looks[DISTINCT_PROMPTS:] == looks[:-DISTINCT_PROMPTS]


@pytest.mark.parametrize("colour", COLOURS)
def test_three_objects_of_a_prompt_differ_in_lightness_and_a_fourth_begins_again(
    colour: Colour,
) -> None:
    shades = [shaded(colour, place) for place in range(4)]
    assert shades[0] == shades[3] == colour
    for one, other in combinations(shades[:3], 2):
        assert abs(lab(one, "anybody")[0] - lab(other, "anybody")[0]) > 5


@pytest.mark.parametrize("colour", [*COLOURS, BLACK, (255, 255, 255), (119, 119, 119)])
def test_text_has_the_contrast_that_is_asked_for_small_letters(colour: Colour) -> None:
    # WCAG 2.2, 1.4.3: 4.5 to 1.
    assert contrast(colour, readable_on(colour)) >= 4.5
