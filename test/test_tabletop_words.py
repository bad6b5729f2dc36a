from __future__ import annotations

import pytest

from sam3_ros.tabletop_words import COLOURS, SHAPES, TabletopPhrase, read_phrase


@pytest.mark.parametrize(
    ("text", "colour", "shape"),
    [
        ("red cube", "red", "cube"),
        ("The RED Blocks", "red", "cube"),
        ("boxes", None, "cube"),
        ("a sphere", None, "ball"),
        ("all orange toruses", "orange", "ring"),
        ("orange", "orange", None),
        ("blue thing", "blue", None),
        ("some items", None, None),
        ("black pill!", "black", "capsule"),
    ],
)
def test_colours_shapes_synonyms_plurals_and_articles(text, colour, shape):
    assert read_phrase(text) == TabletopPhrase(colour, shape)


@pytest.mark.parametrize("text", ["", "the", "shiny cube", "red blue cube", "cube ball", "dog"])
def test_a_phrase_outside_of_the_vocabulary_means_nothing_certain(text):
    assert read_phrase(text) is None


def test_every_word_is_understood_and_no_word_has_two_meanings():
    nouns = [noun for name, others in SHAPES.items() for noun in (name, *others)]
    assert len(set(nouns)) == len(nouns)
    assert all(read_phrase(noun) is not None for noun in [*nouns, *COLOURS])


def test_a_phrase_names_the_objects_that_have_what_it_says():
    red = TabletopPhrase("red", None)
    assert red.names("red", "cone")
    assert not red.names("blue", "cone")
    assert TabletopPhrase(None, None).names("white", "star")
