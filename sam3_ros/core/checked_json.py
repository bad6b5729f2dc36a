"""JSON from people who may not be trusted: bounded, each key once, finite numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from sam3_ros.core.bounded_file import decoded
from sam3_ros.core.strict_yaml import MAX_DIGITS


def parse_json(data: bytes, most_values: int) -> Any:
    """Return what UTF-8 JSON holds.

    most_values: how many values, at most; counted before parsing, from the commas and brackets,
    also those in texts. Raises ValueError, in a few words, for anything that is not sound.
    """
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > most_values:
        raise ValueError(f"expected at most {most_values} values, got more")
    try:
        return json.loads(
            decoded(data),
            object_pairs_hook=_each_once,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise ValueError("it is nested too deep: lists in lists") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"it has the key {counts.most_common(1)[0][0][:80]!r} twice")
    return mapping


def _not_finite(word: str) -> Any:
    raise ValueError(f"expected finite numbers, got {word}")


def _finite(digits: str) -> float:
    number = float(_bounded(digits))
    return number if isfinite(number) else _not_finite(digits[:80])


def _whole(digits: str) -> int:
    return int(_bounded(digits))


def _bounded(digits: str) -> str:
    if len(digits) > MAX_DIGITS:
        raise ValueError(
            f"expected numbers of at most {MAX_DIGITS} digits, got one of {len(digits)}"
        )
    return digits
