from __future__ import annotations

import math

import numpy as np
import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.prompts import MAX_TEXT_CHARACTERS, ConceptPrompt, InteractivePrompt

BOX = Box(10, 10, 90, 90)


def test_a_text_names_its_prompt() -> None:
    prompt = ConceptPrompt("  red   cube ")
    assert (prompt.id, prompt.label) == ("red cube", "red cube")


def test_a_given_id_and_label_stay() -> None:
    prompt = ConceptPrompt("red cube", id="target", label="the cube")
    assert (prompt.id, prompt.label) == ("target", "the cube")
    assert ConceptPrompt("red cube", id="target").label == "red cube"


def test_exemplars_alone_make_a_visual_prompt() -> None:
    prompt = ConceptPrompt(exemplars=(BOX,))
    assert (prompt.id, prompt.label, prompt.exemplar_labels) == ("visual", "visual", (1,))


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        (InteractivePrompt(points=((1, 2),)), "point"),
        (InteractivePrompt(box=BOX), "box"),
        (InteractivePrompt(points=((1, 2),), box=BOX), "point+box"),
    ],
)
def test_an_interactive_prompt_is_named_by_what_it_holds(
    prompt: InteractivePrompt, name: str
) -> None:
    assert (prompt.id, prompt.label) == (name, name)


def test_points_become_points_and_labels_default_to_positive() -> None:
    prompt = InteractivePrompt(points=[(1, 2), (3, 4)])  # type: ignore[arg-type]
    assert prompt.points == (Point(1.0, 2.0), Point(3.0, 4.0))
    assert prompt.point_labels == (1, 1)


@pytest.mark.parametrize(
    "text", ["", "   ", "\t\n", "\u2003", "\ufeff", "&nbsp;", "&amp;#32;", "\x00", "\x07 "]
)
def test_a_text_that_is_blank_once_it_is_cleaned_is_refused(text: str) -> None:
    with pytest.raises(PromptError, match="blank"):
        ConceptPrompt(text)


def test_a_text_that_is_too_long_is_refused_and_the_longest_is_not() -> None:
    ConceptPrompt("x" * MAX_TEXT_CHARACTERS)
    with pytest.raises(PromptError, match="at most 1000 characters, got 10000"):
        ConceptPrompt("x" * 10_000)


def test_an_id_or_label_that_is_too_long_is_refused_and_the_longest_is_not() -> None:
    long = "x" * MAX_TEXT_CHARACTERS
    ConceptPrompt("mug", id=long, label=long)
    with pytest.raises(PromptError, match=r"the id of a prompt has at most 1000 .*, got 1001"):
        ConceptPrompt("mug", id=f"{long}x")
    with pytest.raises(PromptError, match=r"the label of a prompt has at most 1000 .*, got 1001"):
        InteractivePrompt(points=((1, 1),), label=f"{long}x")


def test_a_text_that_is_no_str_is_refused() -> None:
    with pytest.raises(PromptError, match="must be a str, got int"):
        ConceptPrompt(7)  # type: ignore[arg-type]


def test_a_concept_without_text_needs_a_positive_exemplar() -> None:
    with pytest.raises(PromptError, match="text or at least one positive exemplar"):
        ConceptPrompt()
    with pytest.raises(PromptError, match="text or at least one positive exemplar"):
        ConceptPrompt(exemplars=(BOX,), exemplar_labels=(0,))
    ConceptPrompt("cube", exemplars=(BOX,), exemplar_labels=(0,))


@pytest.mark.parametrize("point", [(math.nan, 1), (1, math.inf)])
def test_a_point_that_is_not_finite_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(PromptError, match="finite"):
        InteractivePrompt(points=(point,))
    with pytest.raises(PromptError, match="finite"):
        ConceptPrompt("cube", points=(point,))


@pytest.mark.parametrize("point", [(1,), (1, 2, 3), "ab", 5, None])
def test_a_point_that_is_no_pair_of_numbers_is_refused(point: object) -> None:
    with pytest.raises(PromptError, match="pair"):
        InteractivePrompt(points=(point,))  # type: ignore[arg-type]


def test_labels_must_match_in_number_and_kind() -> None:
    with pytest.raises(PromptError, match=r"1 point\(s\) and 2 label"):
        InteractivePrompt(points=((1, 2),), point_labels=(1, 0))
    with pytest.raises(PromptError, match=r"1 \(positive\) or 0"):
        InteractivePrompt(points=((1, 2),), point_labels=(2,))
    with pytest.raises(PromptError, match="needs one label"):
        ConceptPrompt("cube", exemplars=(BOX, BOX), exemplar_labels=(1,))


def test_an_interactive_prompt_needs_a_point_of_either_sign_or_a_box() -> None:
    with pytest.raises(PromptError, match="a box or at least one point, got neither"):
        InteractivePrompt()
    InteractivePrompt(points=((1, 2),), point_labels=(0,))
    InteractivePrompt(points=((1, 2),), point_labels=(0,), box=BOX)


def test_labels_and_points_may_be_arrays() -> None:
    points, labels = np.array([[1, 2], [3, 4]]), np.array([1, 0])
    prompt = InteractivePrompt(points=points, point_labels=labels)  # type: ignore[arg-type]
    assert prompt == InteractivePrompt(points=((1, 2), (3, 4)), point_labels=(1, 0))


@pytest.mark.parametrize("box", [(1, 2, 3, 4), "box"])
def test_a_box_that_is_no_box_is_refused(box: object) -> None:
    with pytest.raises(PromptError, match="must be a Box"):
        InteractivePrompt(box=box)  # type: ignore[arg-type]
    with pytest.raises(PromptError, match="must be a Box"):
        ConceptPrompt("cube", exemplars=(box,))  # type: ignore[arg-type]


def test_a_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(PromptError, match=r"valid Unicode, got '\\udcff' at character 5"):
        ConceptPrompt("red \udcff")
