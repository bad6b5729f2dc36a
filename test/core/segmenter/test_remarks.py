"""What is told about a prompt: by the library here, and by all that ask through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter

SIZE = ImageSize(240, 320)


@pytest.fixture(scope="module")
def tabletop() -> Iterator[Segmenter]:
    with Segmenter.load("tabletop", threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def open_words(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1) as loaded:
        yield loaded


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("mug", ["'mug'"]),
        ("RED CUBE!", ["'!'"]),
        ("red cube.", ["'.'"]),
        ("the dog", ["'dog'"]),
        (
            "\u043a\u0440\u0430\u0441\u043d\u044b\u0439 cube",
            ["'\u043a\u0440\u0430\u0441\u043d\u044b\u0439'"],
        ),
        ("big red cube with a mug", ["'big', 'with', 'mug'"]),
        ("\u201cred cube\u201d", ["'\"'"]),
        ("redcube", ["'redcube'"]),
        ("3 balls", ["'3'"]),
    ],
)
def test_words_that_a_closed_vocabulary_lacks_are_named(
    tabletop: Segmenter, text: str, unknown: list[str]
) -> None:
    warning = tabletop.warnings(text)[-1]
    assert all(f"does not know {word}, so" in warning for word in unknown)
    assert "'tabletop'" in warning and "means nothing" in warning


@pytest.mark.parametrize(
    "text",
    [
        "red cube",
        "a red cube",
        "The RED Blocks",
        "something blue",
        "\uff52\uff45\uff44 cube",
        "all the green ones; every object",
        "visual",
    ],
)
def test_words_that_it_was_taught_are_not(tabletop: Segmenter, text: str) -> None:
    assert tabletop.warnings(text) == ()


def test_an_open_vocabulary_has_no_unknown_words(open_words: Segmenter) -> None:
    assert open_words.warnings("mug") == ()


def test_words_beyond_the_limit_are_named(tabletop: Segmenter) -> None:
    fits = " ".join(["red"] * 13)
    assert tabletop.warnings(f"{fits} cube") == ()
    (warning,) = tabletop.warnings(f"{fits} cube ball cone")
    assert "limit of 14 tokens" in warning and warning.endswith("does not read 'ball', 'cone'")


def test_many_words_are_named_in_part(tabletop: Segmenter) -> None:
    warning = tabletop.warnings(" ".join(f"w{letter}" for letter in "abcdefghijklmn"))[-1]
    assert "'wh' and 6 more" in warning and "'wi'" not in warning.split("does not know")[1][:60]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (InteractivePrompt(((5, 5),), (0,), id="n"), ["'n' has negative points alone"]),
        (InteractivePrompt(((5, 5),), (0,), Box(1, 1, 9, 9)), []),
        (InteractivePrompt(((5, 5), (6, 6)), (0, 1)), []),
        (InteractivePrompt(((-2, 5), (6, 245)), id="p"), ["'p': the point (-2, 5)", "(6, 240)"]),
        (InteractivePrompt(((320, 240),)), []),
        (ConceptPrompt("red", points=((322, 5),)), ["(320, 5)"]),
        (InteractivePrompt(box=Box(-50, -50, 90, 90)), []),
    ],
)
def test_points_are_told_about(tabletop: Segmenter, prompt: Prompt, words: list[str]) -> None:
    found = tabletop.warnings(prompt, SIZE)
    assert len(found) == len(words)
    assert all(word in warning for word, warning in zip(words, found, strict=True))


def test_without_an_image_points_are_not_judged(tabletop: Segmenter) -> None:
    assert tabletop.warnings(InteractivePrompt(((-2, 5),))) == ()


def test_a_text_in_a_str_is_taken_apart_and_one_in_a_prompt_is_not(tabletop: Segmenter) -> None:
    assert tabletop.warnings("red cube; ball") == ()
    first, second = tabletop.warnings(ConceptPrompt("red cube; ball"))
    assert "one phrase" in first and "does not know ';'" in second
    with pytest.raises(PromptError, match="blank"):
        tabletop.warnings(" ; ")


def test_a_bundle_without_words_still_tells_of_points(mobile_sam_bundle_path: Path) -> None:
    with Segmenter.load(mobile_sam_bundle_path, threads=1) as clicks_only:
        assert "negative" in clicks_only.warnings(InteractivePrompt(((5, 5),), (0,)))[0]
        assert clicks_only.warnings("mug") == ()
