"""Phrases name what they say, in every way of saying it."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES, read_phrase
from sam3_ros.training.tabletop.phrases import (
    absent,
    all_words,
    anything,
    describe,
    present,
    taught_words,
    with_unknown_word,
)

SCENE = np.array([[0, 0], [0, 1], [4, 0], [-1, -1]])  # red cube, red ball, blue cube, no more


@pytest.mark.parametrize("seed", range(40))
def test_a_present_phrase_names_something_that_is_there(seed: int) -> None:
    phrase = present(SCENE, SCENE[:, 0] >= 0, np.random.default_rng(seed))
    assert phrase.matches(SCENE).any()
    assert not phrase.matches(SCENE)[3]


@pytest.mark.parametrize("seed", range(40))
def test_an_absent_phrase_names_nothing(seed: int) -> None:
    phrase = absent(SCENE, np.random.default_rng(seed))
    assert not phrase.matches(SCENE).any()


@pytest.mark.parametrize("seed", range(40))
def test_the_judge_reads_phrases_as_the_trainer_meant_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    colour, shape = int(rng.integers(8)), int(rng.integers(8))
    read = read_phrase(describe(colour, shape, rng).text)
    assert read is not None
    assert (read.colour, read.shape) == (COLOUR_NAMES[colour], SHAPE_NAMES[shape])


@pytest.mark.parametrize("seed", range(40))
def test_a_phrase_with_one_unknown_word_names_nothing(seed: int) -> None:
    phrase = with_unknown_word(np.random.default_rng(seed))
    unknown = set(phrase.text.split()) - set(taught_words())
    assert len(unknown) >= 1
    assert not phrase.known and not phrase.matches(SCENE).any()
    assert read_phrase(phrase.text) is None


def test_synonyms_plurals_and_articles_are_all_said() -> None:
    rng = np.random.default_rng(0)
    said = {word for _ in range(400) for word in describe(0, 0, rng).text.split()}
    assert {"red", "cube", "block", "box", "cubes", "boxes", "the", "a"} <= said
    assert said <= set(all_words())


def test_the_shipped_bundle_lists_the_words_of_its_phrases_and_no_others() -> None:
    rng = np.random.default_rng(0)
    phrases = [anything(rng) for _ in range(20_000)]
    said = {word for phrase in phrases if phrase.known for word in phrase.text.split()}
    assert taught_words() == tuple(sorted(said))
    concept = Bundle.open("tabletop").manifest.concept
    assert concept is not None and concept.vocabulary == taught_words()
    assert concept.tokenizer.cleaning == "clip"
