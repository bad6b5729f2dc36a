"""Tokenizers that a stranger might send: large, deep, or with steps that take hours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bundle_spoiling import (
    MB,
    Bytes,
    HostileBundle,
    Make,
    put,
    read_manifest,
    with_file,
    write_manifest,
)


def hostile_tokenizers() -> Iterator[HostileBundle]:
    """Yield a bundle of each known kind."""
    for name, (tokenizer, reason) in _TOKENIZERS.items():
        yield HostileBundle(f"tokenizer: {name}", _tokenizer_of(tokenizer), reason)


def _changed_tokenizer(change: Callable[[dict[str, Any]], None]) -> Bytes:
    def changed(sound: bytes) -> bytes:
        document = json.loads(sound)
        change(document)
        return json.dumps(document).encode()

    return changed


def _with_nothing_left(document: dict[str, Any]) -> None:
    removes = {"type": "Replace", "pattern": {"String": "!"}, "content": ""}
    document["normalizer"] = removes
    number = document["model"]["vocab"].setdefault("!", 900_000)
    document["added_tokens"] = [{"id": number, "content": "!", "normalized": True}]


_NO_TOKENIZER = "tokenizer"
_CATASTROPHE = r"(?:\w+\s?)+$|((a+)+)+b"
_TOKENIZERS: dict[str, tuple[Bytes, str]] = {
    "lists nested deep": (lambda _: b"[" * 200_000, "levels|nested|JSON"),
    "mappings nested deep": (lambda _: b'{"a":' * 200_000, "levels|nested|JSON"),
    "lists nested in a sound one": (
        lambda sound: sound[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "levels|nested|JSON",
    ),
    "20 MB": (lambda sound: sound + b" " * 20 * MB, "16000000"),
    "very many lists": (lambda _: b"[" + b"[]," * 4 * MB + b"1]", "values"),
    "very many numbers": (lambda _: b"[" + b"12345," * 2 * MB + b"1]", "values"),
    "a number of 100000 digits": (lambda _: b'{"version":' + b"9" * 100_000 + b"}", "digits|JSON"),
    "not a number": (
        lambda sound: sound.replace(b'"dropout":null', b'"dropout":NaN'),
        "NaN|number",
    ),
    "a number above all floats": (
        lambda sound: sound.replace(b'"dropout":null', b'"dropout":1e999'),
        "dropout|number",
    ),
    "a key twice": (lambda sound: b'{"version":"1.0",' + sound[1:], "twice"),
    "UTF-16": (lambda sound: sound.decode().encode("utf-16"), "utf-8|JSON"),
    "cut short": (lambda sound: sound[: len(sound) // 2], "JSON"),
    "random bytes": (lambda _: random.Random(2).randbytes(100_000), "utf-8|JSON"),
    "a list": (lambda _: b"[]", "mapping"),
    "no model": (_changed_tokenizer(lambda d: d.pop("model")), "model"),
    "another model": (_changed_tokenizer(put("model", "type", "Unigram")), "BPE"),
    "a token of no number": (
        _changed_tokenizer(put("model", "vocab", {"a": "b"})),
        "whole number",
    ),
    "a token of -1": (_changed_tokenizer(put("model", "vocab", {"a": -1})), "0 to"),
    "a token of 2^40": (_changed_tokenizer(put("model", "vocab", {"a": 2**40})), "0 to"),
    "two tokens of one number": (
        _changed_tokenizer(put("model", "vocab", {"a": 1, "b": 1})),
        "twice|merge",
    ),
    "no tokens": (_changed_tokenizer(put("model", "vocab", {})), "token|merge"),
    "a token of 100 kB": (
        _changed_tokenizer(put("model", "vocab", {"a" * 100_000: 1})),
        "characters",
    ),
    "a merge of what is no token": (
        _changed_tokenizer(lambda d: d["model"]["merges"].append("qqqqq zzzzz")),
        "merge",
    ),
    "a merge of one part": (
        _changed_tokenizer(lambda d: d["model"]["merges"].append("abc")),
        "merge",
    ),
    "a merge that is a number": (
        _changed_tokenizer(lambda d: d["model"]["merges"].append(7)),
        "merge",
    ),
    "merges that are a text": (_changed_tokenizer(put("model", "merges", "a b")), "merges"),
    "an unknown key": (_changed_tokenizer(put("plugin", "x.so")), "plugin"),
    "a catastrophic expression to replace": (
        _changed_tokenizer(
            put(
                "normalizer", {"type": "Replace", "pattern": {"Regex": _CATASTROPHE}, "content": ""}
            )
        ),
        "expression",
    ),
    "a catastrophic expression to split": (
        _changed_tokenizer(
            put(
                "pre_tokenizer",
                {
                    "type": "Split",
                    "pattern": {"Regex": _CATASTROPHE},
                    "behavior": "Removed",
                    "invert": True,
                },
            )
        ),
        "expression",
    ),
    "an expression nested deep": (
        _changed_tokenizer(
            put(
                "pre_tokenizer",
                {
                    "type": "Split",
                    "pattern": {"Regex": "(" * 50_000 + ")" * 50_000},
                    "behavior": "Removed",
                    "invert": False,
                },
            )
        ),
        "expression|characters",
    ),
    "an expression of counts": (
        _changed_tokenizer(
            put(
                "pre_tokenizer",
                {
                    "type": "Split",
                    "pattern": {"Regex": "((((a{1,9999}){1,9999}){1,9999}))"},
                    "behavior": "Removed",
                    "invert": False,
                },
            )
        ),
        "expression",
    ),
    "a token of which the normalizer leaves nothing": (
        _changed_tokenizer(_with_nothing_left),
        "leaves nothing",
    ),
    "more tokens than are read in a second": (
        _changed_tokenizer(put("model", "vocab", {f"{n:x}": n for n in range(500_000)})),
        "values",
    ),
    "an unknown normalizer": (
        _changed_tokenizer(
            put("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"})
        ),
        "Precompiled",
    ),
}


def _tokenizer_of(change: Bytes) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = with_file(good, target, ("concept", "tokenizer"), change)
        manifest = read_manifest(folder)
        manifest["concept"]["tokenizer"]["cleaning"] = "file"  # so that its steps count
        write_manifest(folder, manifest)
        return folder

    return make
