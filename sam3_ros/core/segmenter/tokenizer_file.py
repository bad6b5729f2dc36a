"""A tokenizer's file, read so that a stranger's can do no harm.

The tokenizers library is fast, and made for files that one trusts: a hostile one can keep it busy
for hours, or end the process. So the file is bounded and checked here, and the library gets what
was checked, not the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, processors

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.checked_json import parse_json
from sam3_ros.core.errors import BundleError
from sam3_ros.core.schema_fault import first_fault
from sam3_ros.core.segmenter.tokenizer_steps import check_steps

#: Of the file; CLIP's has 3.6 million bytes. The manifest's schema has the same number.
MOST_BYTES = 16_000_000
# CLIP's file has 100,000: a token and a merge are one each, in newer files a merge is two.
_MOST_VALUES = 300_000
_LONGEST_TOKEN = 256
_LARGEST_ID = 2**31 - 1
_SCHEMA = Path(__file__).with_name("tokenizer_schema.json")


def read_tokenizer(path: Path, only_model: bool) -> Tokenizer:
    """Read a file of the tokenizers library.

    only_model: leave out all but tokens and merges. Raises BundleError, with the reason, for a file
    that is not sound, or has more than this version knows.
    """
    try:
        document = parse_json(read_at_most(path, MOST_BYTES), _MOST_VALUES)
        return _tokenizer(document, only_model)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"{path} is not a file of the tokenizers library: {reason}") from error


def _tokenizer(document: Any, only_model: bool) -> Tokenizer:
    model = document.get("model") if isinstance(document, dict) else None
    tokens: Any = {}
    merges: Any = []
    if isinstance(model, dict):
        # Too many for a schema to go through.
        tokens, merges = model.get("vocab"), model.get("merges", merges)
        model = {key: value for key, value in model.items() if key not in ("vocab", "merges")}
        document = {**document, "model": model}
    if (fault := first_fault(document, _SCHEMA)) is not None:
        place, reason = fault
        raise ValueError(f"{'/'.join(map(str, place)) or 'top level'}: {reason}")
    assert isinstance(model, dict)  # by the schema
    check_steps(document)
    _check_tokens(tokens)
    unknown = model.get("unk_token")
    needs_unknown = unknown is not None or model["type"] != "BPE"
    if needs_unknown and unknown not in tokens:
        raise ValueError(f"model/unk_token: expected one of the tokens, got {unknown!r}")
    pairs = _pairs(merges, tokens)
    with no_panic():
        made = Tokenizer(_model(model, tokens, pairs))
        if not only_model:
            _add_steps(made, document)
    return made


@contextmanager
def no_panic() -> Iterator[None]:
    """Raise ValueError where the library fails in the block, which may end the process otherwise.

    It is written in Rust, and a panic there is no Exception.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        raise ValueError(f"the library refuses it: {str(error)[:200]}") from error


def _check_tokens(tokens: Any) -> None:
    if not isinstance(tokens, dict) or not tokens:
        raise ValueError("model/vocab: expected a mapping of at least one token")
    if max(map(len, tokens)) > _LONGEST_TOKEN:
        raise ValueError(f"model/vocab: expected tokens of at most {_LONGEST_TOKEN} characters")
    numbers = tokens.values()
    if {*map(type, numbers)} != {int}:
        raise ValueError("model/vocab: expected a whole number for each token")
    if min(numbers) < 0 or max(numbers) > _LARGEST_ID:
        raise ValueError(f"model/vocab: expected numbers from 0 to {_LARGEST_ID}")
    if len({*numbers}) < len(tokens):
        raise ValueError("model/vocab: expected another number for each token, got one twice")


def _pairs(merges: Any, tokens: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the merges, which are lists of two tokens or texts with a space between them."""
    if not isinstance(merges, list) or not {*map(type, merges)} <= {str, list}:
        raise ValueError("model/merges: expected a list of texts or of lists")
    pairs = [tuple(each.split(" ") if isinstance(each, str) else each) for each in merges]
    try:
        for first, second in pairs:
            # Each of these raises KeyError for what is no token.
            tokens[first], tokens[second], tokens[first + second]
    except (KeyError, ValueError, TypeError):
        place = next(n for n, pair in enumerate(pairs) if not _is_merge(pair, tokens))
        raise ValueError(
            f"model/merges: expected pairs of tokens that make a token; entry {place + 1} is none"
        ) from None
    return pairs


def _is_merge(pair: tuple[Any, ...], tokens: Mapping[str, int]) -> bool:
    is_pair = len(pair) == 2 and all(isinstance(each, str) for each in pair)
    return is_pair and all(each in tokens for each in (*pair, "".join(pair)))


def _model(
    settings: Mapping[str, Any], tokens: dict[str, int], pairs: list[tuple[str, str]]
) -> models.Model:
    if settings["type"] == "WordLevel":
        return models.WordLevel(tokens, unk_token=settings["unk_token"])
    names = ("unk_token", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges")
    chosen = {name: settings[name] for name in names if settings.get(name) is not None}
    return models.BPE(tokens, pairs, **chosen)


def _add_steps(tokenizer: Tokenizer, document: Mapping[str, Any]) -> None:
    """Add the normalizer, the pre-tokenizer and the tokens that are found before both."""
    steps = {name: document.get(name) for name in ("normalizer", "pre_tokenizer")}
    model = {"type": "BPE", "vocab": {}, "merges": []}
    only_steps = Tokenizer.from_str(json.dumps({"version": "1.0", **steps, "model": model}))
    if steps["normalizer"] is not None:
        tokenizer.normalizer = only_steps.normalizer
    if steps["pre_tokenizer"] is not None:
        tokenizer.pre_tokenizer = only_steps.pre_tokenizer
    if (document.get("post_processor") or {}).get("trim_offsets") is True:
        # All else that such a step does is for the ids of start and end, which others add.
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    for each in document.get("added_tokens", ()):
        # The library would find it everywhere, also in the middle of a letter of two bytes.
        normal = tokenizer.normalizer
        if normal is not None and not normal.normalize_str(each["content"]):
            raise ValueError(f"added_tokens: the normalizer leaves nothing of {each['content']!r}")
        rest = {key: value for key, value in each.items() if key not in ("id", "content")}
        token = AddedToken(each["content"], **rest)
        if rest.get("special"):
            tokenizer.add_special_tokens([token])
        else:
            tokenizer.add_tokens([token])
        if (number := tokenizer.token_to_id(each["content"])) != each["id"]:
            raise ValueError(f"added_tokens: expected the number {number}, got {each['id']}")
