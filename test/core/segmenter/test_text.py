from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from sam3_ros.core.bundle.manifest import FileRef, TokenizerSettings
from sam3_ros.core.errors import BundleError, PromptError
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.text import ClipTokenizer

START, END, PAD = 20, 21, 0
TOKENS = ("!", "r", "e", "d", "d</w>", "c", "u", "b", "e</w>")
MERGED = ("re", "red</w>", "cu", "be</w>", "cube</w>")
VOCABULARY = {token: number for number, token in enumerate((*TOKENS, *MERGED))}
MERGES = [("r", "e"), ("re", "d</w>"), ("c", "u"), ("b", "e</w>"), ("cu", "be</w>")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a tokenizer of byte pairs for two words, in the form of CLIP's file."""
    tokenizer = Tokenizer(models.BPE(VOCABULARY, MERGES, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def settings(length: int) -> TokenizerSettings:
    return TokenizerSettings(FileRef("tokenizer.json", "0" * 64, 1), length, START, END, PAD)


def test_words_lie_between_start_and_end_and_padding_follows(file: Path) -> None:
    ids = ClipTokenizer(file, settings(6)).encode("red cube")
    assert ids.dtype == "int64"
    assert ids.tolist() == [[START, VOCABULARY["red</w>"], VOCABULARY["cube</w>"], END, PAD, PAD]]


@pytest.mark.parametrize("text", ["RED Cube", "  red\n cube ", "red&#32;cube"])
def test_case_spaces_and_entities_do_not_matter(file: Path, text: str) -> None:
    tokenizer = ClipTokenizer(file, settings(6))
    assert tokenizer.encode(text).tolist() == tokenizer.encode("red cube").tolist()


def test_a_long_text_loses_its_tail_and_keeps_its_end(file: Path) -> None:
    ids = ClipTokenizer(file, settings(4)).encode("cube cube cube cube red")
    assert ids.tolist() == [[START, VOCABULARY["cube</w>"], VOCABULARY["cube</w>"], END]]


def test_no_words_are_start_and_end(file: Path) -> None:
    assert ClipTokenizer(file, settings(4)).encode("").tolist() == [[START, END, PAD, PAD]]


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(BundleError, match="tokenizers library"):
        ClipTokenizer(path, settings(6))
    with pytest.raises(BundleError, match="tokenizers library"):
        ClipTokenizer(tmp_path / "missing.json", settings(6))


def test_a_context_without_room_for_start_and_end_is_refused(file: Path) -> None:
    with pytest.raises(BundleError, match="context_length"):
        ClipTokenizer(file, settings(1))


def test_padding_and_truncation_in_the_file_are_ignored(file: Path) -> None:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_padding(length=5, pad_id=3)
    tokenizer.enable_truncation(1)
    tokenizer.save(str(file))
    ids = ClipTokenizer(file, settings(6)).encode("red cube")
    assert ids.tolist() == [[START, VOCABULARY["red</w>"], VOCABULARY["cube</w>"], END, PAD, PAD]]


def test_kept_texts_are_counted_with_their_bytes(
    sam3_bundle_path: Path, mobile_sam_bundle_path: Path
) -> None:
    with Segmenter.load(sam3_bundle_path, threads=1) as segmenter:
        assert segmenter.kept_texts == (0, 0)
        one = segmenter.encode_text("red")
        segmenter.encode_text("green")
        segmenter.encode_text("red")
        assert segmenter.kept_texts == (2, 2 * (one.features.nbytes + one.mask.nbytes))
    with Segmenter.load(mobile_sam_bundle_path, threads=1) as clicks_only:
        assert clicks_only.kept_texts == (0, 0)


def test_a_library_that_panics_refuses_the_text_and_ends_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException):
        """As the one of a library in Rust."""

    def panic(*_: object, **__: object) -> None:
        raise Panic("end byte index 1 is not a char boundary")

    tokenizer = ClipTokenizer(file, settings(5))
    monkeypatch.setattr(tokenizer, "_tokenizer", SimpleNamespace(encode=panic))
    with pytest.raises(PromptError, match=r"cannot read the text 'cup'.*char boundary"):
        tokenizer.encode("cup")
