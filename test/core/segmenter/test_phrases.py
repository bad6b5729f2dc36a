from __future__ import annotations

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.phrases import required_phrases, separator_remark, split_phrases


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("red cube; ball", ("red cube", "ball")),
        ("red cube;", ("red cube",)),
        (" red \t cube ;; ball;red cube; ", ("red cube", "ball")),
        ("red cube, ball", ("red cube, ball",)),
        ("red cube . ball .", ("red cube . ball .",)),
        ("red cube\uff1bball", ("red cube", "ball")),
        ("R&amp;D lab; ball", ("R&amp;D lab", "ball")),
        ("R&amp;amp;D lab; ball", ("R&amp;amp;D lab", "ball")),
        ("it&#8217;s; &#x27;a&#X27;;b", ("it&#8217;s", "&#x27;a&#X27;", "b")),
        ("salt&pepper;ball", ("salt&pepper", "ball")),
        ("a&amp;b;c", ("a&amp;b", "c")),
        ("", ()),
        (" ; ;", ()),
    ],
)
def test_semicolons_separate_phrases_but_not_those_of_entities(
    text: str, phrases: tuple[str, ...]
) -> None:
    assert split_phrases(text) == phrases
    assert split_phrases("; ".join(phrases)) == phrases


@pytest.mark.parametrize("text", ["", "  ", ";", " ; ;; "])
def test_a_text_without_a_phrase_is_refused_where_one_is_needed(text: str) -> None:
    with pytest.raises(PromptError, match="blank"):
        required_phrases(text)


@pytest.mark.parametrize(
    "phrase",
    [
        "red cube, ball",
        "red cube . ball .",
        "red cube.",
        "red cube. ball",
        "red\u3001ball",
        "a\uff0cb",
    ],
)
def test_what_looks_like_a_separator_gets_a_word(phrase: str) -> None:
    remark = separator_remark(phrase)
    assert "one phrase" in remark and "';'" in remark


@pytest.mark.parametrize(
    "phrase", ["red cube", "3,5 mm bolt", "1.5 l bottle", "U.S.A flag", "don't"]
)
def test_other_commas_and_dots_get_none(phrase: str) -> None:
    assert separator_remark(phrase) == ""


def test_a_prompt_that_holds_a_semicolon_is_told_to_be_one_phrase() -> None:
    assert "one phrase" in separator_remark("red cube; ball")
