"""Texts give the ids that SAM 3's own cleaning and CLIP's byte pairs give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.core.segmenter.text_cleaning import cleaned_as_clip

# Computed by open_clip's SimpleTokenizer, whose rules SAM 3's tokenizer has, with ftfy 6.3.
IDS = [
    ("A Blue Bowl.", [320, 1746, 3814, 269]),
    ("the dog\u2019s leash", [518, 1929, 568, 36192]),
    ("\u201cwet floor\u201d sign", [257, 6682, 4125, 257, 2292]),
    ("it\u2019s a \u2018mug\u2019", [585, 568, 320, 880, 16061, 262]),
    ("\ufb02ower pot", [4055, 5168]),
    ("o\ufb03ce chair", [2171, 4269]),
    ("\uff27\uff52\uff45\uff45\uff4e\u3000\uff22\uff41\uff4c\uff4c\uff01", [1901, 1069, 256]),
    ("\ufeffyellow cup", [4481, 1937]),
    ("fish &amp; chips", [2759, 261, 8855]),
    ("fish &amp;amp; chips", [2759, 261, 8855]),
    ("caf&eacute;", [15304]),
    ("rock\xa0&#8217;n\u2019 roll", [2172, 262, 333, 262, 3341]),
    ("schl\xc3\xbcssel", [844, 75, 6522, 19373]),
    ("pi\xf1ata", [741, 6445, 4236]),
    ("STRA\u1e9eE", [1894, 127, 253, 324]),
    ("\u0130zmir", [328, 16384, 89, 6585]),
    ("J\u030c", [329, 136, 490]),
    ("a\u0345b", [320, 321]),
    ("wet\x07 paint", [6682, 5185]),
    ("two\u2003  spaces\n\tand tabs", [1237, 9006, 537, 29163]),
    ("5\xbd inch", [276, 33613, 6523]),
    ("\u2460 \u2163 \u2116", [158, 239, 510, 158, 227, 367, 8604, 500]),
    ("pot...", [5168, 678]),
    ("what?!", [768, 2835]),
    ("e-mail", [324, 268, 2614]),
    ("#1 fan", [258, 272, 2261]),
    ("don\u2019t walk", [847, 713, 2374]),
    ("they'LL we'RE", [889, 1342, 649, 982]),
    ("'\u017f", [6, 129, 379]),
    ("<end_of_text> mug", [49407, 9722]),
    ("<|endoftext|>", [27, 347, 40786, 4160, 91, 285]),
    (
        "\u041a\u0440\u0430\u0441\u043d\u044b\u0439 \u043a\u0443\u0431",
        [27152, 16370, 16912, 23669, 22705, 45001, 140, 373, 27152, 39729, 140, 365],
    ),
    (
        "\u7ea2\u8272 \u7acb\u65b9\u4f53",
        [163, 118, 95, 164, 231, 366, 163, 104, 233, 29032, 117, 47466, 497],
    ),
    ("\U0001f916 arm", [46146, 4793]),
    ("\u03a3\u039f\u03a6\u039f\u03a3", [139, 225, 138, 123, 139, 228, 138, 123, 139, 480]),
    ("cup\u200d\u200b", [1937, 4244, 9844]),
    ("\x1b[31mred cube", [736, 11353]),
    ("&lt;b&gt;bold&lt;/b&gt;", [283, 321, 285, 8911, 34308, 321, 285]),
    ("soft\xadware", [3773, 22618, 4476]),
]


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    bundle = Bundle.open("tabletop")
    assert bundle.manifest.concept is not None
    return ClipTokenizer(bundle.tokenizer_file, bundle.manifest.concept.tokenizer)


@pytest.mark.parametrize(("text", "ids"), IDS)
def test_a_text_gives_the_ids_of_the_original(
    tokenizer: ClipTokenizer, text: str, ids: list[int]
) -> None:
    assert [number for word in tokenizer.words(text) for number in word.ids] == ids


def test_what_the_file_says_beside_its_byte_pairs_does_not_count(tmp_path: Path) -> None:
    bundle = Bundle.open("tabletop")
    assert bundle.manifest.concept is not None
    settings = bundle.manifest.concept.tokenizer
    file = Tokenizer.from_file(str(bundle.tokenizer_file))
    file.add_special_tokens(["tablemug"])
    file.save(str(tmp_path / "tokenizer.json"))
    for cleaning, is_special in (("clip", False), ("file", True)):
        changed = replace(settings, cleaning=cleaning)
        (word,) = ClipTokenizer(tmp_path / "tokenizer.json", changed).words("tablemug")
        assert (word.ids[0] > settings.end_id) is is_special


def test_a_tokenizer_that_cleans_by_its_own_rules_is_left_alone() -> None:
    bundle = Bundle.open("tabletop")
    assert bundle.manifest.concept is not None
    settings = replace(bundle.manifest.concept.tokenizer, cleaning="file")
    tokenizer = ClipTokenizer(bundle.tokenizer_file, settings)
    assert [word.text for word in tokenizer.words("A Caf\xe9")] == ["A", "Caf\xe9"]
    assert tokenizer.encode("A Caf\xe9")[0, 1:3].tolist() == [320, 15304]


@pytest.mark.parametrize("text", ["Mug.", "\ufb01re", "two  words", "\u201cx\u201d", "&amp;amp;"])
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert cleaned_as_clip(cleaned_as_clip(text)) == cleaned_as_clip(text)
