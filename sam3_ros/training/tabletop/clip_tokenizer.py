"""CLIP's byte-pair tokenizer as a `tokenizers` file, from the vocabulary in open_clip's wheel.

The vocabulary is OpenAI's (github.com/openai/CLIP, MIT); its rules are those of the CLIP paper's
code: lower case, merges of the first 48,894 pairs, `</w>` at a word's end.
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

MERGES = 49152 - 256 - 2
WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def clip_tokenizer() -> Tokenizer:
    """Return the tokenizer. It adds neither start (49406) nor end (49407)."""
    lines = gzip.decompress(_vocabulary_file().read_bytes()).decode("utf-8").split("\n")
    pairs = (line.split() for line in lines[1 : MERGES + 1])
    merges = [(first, second) for first, second in pairs]
    letters = _byte_letters()
    symbols = [*letters, *(letter + "</w>" for letter in letters)]
    symbols += ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>")
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def _vocabulary_file() -> Path:
    # Found, not imported: open_clip itself wants torchvision.
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "CLIP's vocabulary comes with the package open_clip_torch, which is not installed: "
            "pip install --no-deps open_clip_torch"
        )
    return Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"


def _byte_letters() -> list[str]:
    """Return a printable letter for each byte, in CLIP's order: printable bytes first, as
    themselves; then the others, as code points from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
