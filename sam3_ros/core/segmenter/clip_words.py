"""Cleaned text as CLIP's tokenizer takes it apart, before it looks for byte pairs.

Source: as text_cleaning.py.
"""

from __future__ import annotations

from tokenizers import Regex, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

#: What people may write in place of the ids of start and end; CLIP reads both as these ids.
START_TEXT, END_TEXT = "<start_of_text>", "<end_of_text>"

# The original's expression ignores case. So the long s counts as an s, and the iota below a letter
# (U+0345), which has a letter as its capital, belongs to neither words nor punctuation.
_CONTRACTIONS = r"'[s\x{17f}]|'t|'re|'ve|'m|'ll|'d"
_MARKS = r"<[s\x{17f}]tart_of_text>|<end_of_text>"
_WORDS = _MARKS + "|" + _CONTRACTIONS + r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}\x{345}]+"


def clip_words() -> PreTokenizer:
    """Return the step that takes cleaned text apart, and writes each part as CLIP's byte letters.

    A part is a run of letters, one digit, a run of other characters, or the end of a contraction.
    """
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
