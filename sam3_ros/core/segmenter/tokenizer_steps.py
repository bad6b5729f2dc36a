"""Which steps of a tokenizer's file are accepted: what cleans a text, and what takes it apart.

The tokenizers library knows more than these. A stranger's file could hold an expression that takes
hours for a few words, or steps that multiply a text; so a step is accepted only if its work grows
no faster than the text, and an expression only if it is one of those that CLIP's files have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST_STEPS = 16
_LONGEST = 16

_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
#: Of CLIP's files, as OpenAI, open_clip and transformers write them.
KNOWN_EXPRESSIONS = frozenset(
    {
        r"\s+",
        r"\s",
        _CLIP_WORDS,
        r"<\|startoftext\|>|<\|endoftext\|>|" + _CLIP_WORDS,
        r"<start_of_text>|<end_of_text>|" + _CLIP_WORDS,
    }
)

_BEHAVIOURS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
# The keys of a step beside `type`, and what each may be: a type, or one of some values.
_Keys = Mapping[str, type | tuple[Any, ...]]
_NORMALIZERS: Mapping[str, _Keys] = {
    "NFC": {},
    "NFD": {},
    "NFKC": {},
    "NFKD": {},
    "Lowercase": {},
    "StripAccents": {},
    "Strip": {"strip_left": bool, "strip_right": bool},
    "BertNormalizer": {
        "clean_text": bool,
        "handle_chinese_chars": bool,
        "strip_accents": (None, True, False),
        "lowercase": bool,
    },
    "Replace": {"pattern": dict, "content": str},
}
_PRE_TOKENIZERS: Mapping[str, _Keys] = {
    "Whitespace": {},
    "WhitespaceSplit": {},
    "BertPreTokenizer": {},
    "Punctuation": {"behavior": _BEHAVIOURS},
    "Digits": {"individual_digits": bool},
    "ByteLevel": {"add_prefix_space": bool, "trim_offsets": bool, "use_regex": bool},
    "Split": {"pattern": dict, "behavior": _BEHAVIOURS, "invert": bool},
}


def check_steps(document: Mapping[str, Any]) -> None:
    """Raise ValueError for a normalizer or pre_tokenizer that is not accepted.

    document: of the file; each of the two is null or a mapping with a `type`.
    """
    for place, known, inner in (
        ("normalizer", _NORMALIZERS, "normalizers"),
        ("pre_tokenizer", _PRE_TOKENIZERS, "pretokenizers"),
    ):
        step = document.get(place)
        if step is None:
            continue
        steps = [step]
        if step["type"] == "Sequence":
            steps = step.get(inner)
            if (
                not isinstance(steps, list)
                or len(steps) > _MOST_STEPS
                or {*step} != {"type", inner}
            ):
                raise ValueError(f"{place}: expected {inner}, a list of at most {_MOST_STEPS}")
        for each in steps:
            _check_step(place, known, each)
        # Each of them would write every byte as up to two bytes again.
        if sum(each["type"] == "ByteLevel" for each in steps) > 1:
            raise ValueError(f"{place}: expected one step of type ByteLevel, got several")


def _check_step(place: str, known: Mapping[str, _Keys], step: Any) -> None:
    kind = step.get("type") if isinstance(step, dict) else None
    if not isinstance(kind, str) or kind not in known:
        came = repr(kind[:40]) if isinstance(kind, str) else "no type"
        raise ValueError(
            f"{place}: expected a step of type {', '.join(known)} or one Sequence of them, "
            f"got {came}"
        )
    keys = known[kind]
    for name, value in step.items():
        if name == "type":
            continue
        allowed = keys.get(name)
        fits = isinstance(value, allowed) if isinstance(allowed, type) else value in (allowed or ())
        if not fits:
            raise ValueError(f"{place}, {kind}: expected other values than {name[:40]!r} has")
    if "pattern" in keys:
        _check_pattern(f"{place}, {kind}", step)


def _check_pattern(place: str, step: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown expression, and for a text that would grow."""
    content: str = step.get("content", "")
    pattern: dict[str, Any] = step.get("pattern", {})
    kinds = {*pattern}
    if kinds == {"Regex"}:
        expression = pattern["Regex"]
        if expression not in KNOWN_EXPRESSIONS:
            raise ValueError(
                f"{place}: expected an expression that CLIP's files have, since others can take "
                f"hours for a few words; got {str(expression)[:60]!r}"
            )
        longest = 1
    elif kinds == {"String"} and isinstance(pattern["String"], str) and pattern["String"]:
        longest = len(pattern["String"].encode(errors="replace"))
    else:
        raise ValueError(f"{place}: expected a pattern, {{Regex: ...}} or {{String: ...}}")
    if longest > _LONGEST or len(content.encode(errors="replace")) > longest:
        raise ValueError(
            f"{place}: expected what replaces a text to be no longer than it, and at most "
            f"{_LONGEST} bytes"
        )
