"""Text as CLIP's tokenizer cleans it, before it takes it apart.

Source: facebookresearch/sam3, sam3/model/tokenizer_ve.py, which follows openai/CLIP and open_clip.
Whatever is done here decides which token ids a model reads, so it must be done as in its training.
"""

from __future__ import annotations

import html
from functools import lru_cache

import ftfy


@lru_cache(maxsize=1024)
def cleaned_as_clip(text: str) -> str:
    """Return the text as CLIP reads it; empty for one that holds nothing to read.

    Encoding mistakes, typographic quotes, ligatures, full width and control characters become plain
    text (ftfy); HTML entities are resolved, twice; white space becomes single spaces, none at the
    ends; letters become lower case. Punctuation stays.
    """
    plain = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(plain.split()).lower()
