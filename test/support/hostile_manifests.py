"""Manifests that a stranger might send: deep, large, ambiguous, or not of the form."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bundle_spoiling import (
    MB,
    Change,
    HostileBundle,
    Make,
    changed_manifest,
    copied,
    put,
    replace_file,
)


def hostile_manifests() -> Iterator[HostileBundle]:
    """Yield a bundle of each known kind."""
    for name, (text, reason) in _TEXTS.items():
        yield HostileBundle(f"manifest: {name}", _manifest_of(text), reason)
    for name, (change, reason) in _CHANGES.items():
        yield HostileBundle(f"manifest: {name}", changed_manifest(change), reason)


# The manifest as bytes, from the sound one's.
_Text = Callable[[str], bytes]


def _whole(text: str) -> _Text:
    return lambda _: text.encode()


def _with_line(line: str) -> _Text:
    return lambda sound: (sound + line + "\n").encode()


def _in_place(pattern: str, text: str) -> _Text:
    return lambda sound: re.sub(pattern, lambda _: text, sound, count=1, flags=re.M).encode()


_DEEP, _MANY, _LONG = "levels|nesting", "values", "characters|bytes"
_TEXTS: dict[str, tuple[_Text, str]] = {
    "flow sequences nested deep": (_whole("[" * MB), _DEEP),
    "flow sequences nested, closed": (_whole("a: " + "[" * 500 + "]" * 500), _DEEP),
    "flow sequences nested on lines": (_whole("a:\n  " + "[\n  " * 200_000), _DEEP),
    "flow mappings nested deep": (_whole("{a: " * 250_000), _DEEP),
    "block sequences nested deep": (_whole("- " * 500_000), _DEEP),
    "block keys nested deep": (_whole("? " * 500_000), _DEEP),
    "block mappings nested deep": (
        _whole("\n".join(" " * level + "a:" for level in range(1000))),
        _DEEP,
    ),
    "anchors nested deep": (
        _whole("".join(f"&a{number} [" for number in range(90_000))),
        _DEEP,
    ),
    "very many values": (_whole("[" + "a," * 400_000), _MANY),
    "very many keys": (_whole("\n".join(f"k{number}: 1" for number in range(90_000))), _MANY),
    "very many empty keys": (_whole("?\n" * 400_000), _MANY + "|twice"),
    "a manifest of 8 MB": (_whole("#" * 8 * MB), _LONG),
    "a manifest of 1.5 MB": (_whole("#\n" * (750_000)), _LONG),
    "aliases that multiply": (
        _with_line(
            "x0: &x0 [a, a]\n"
            + "\n".join(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]" for n in range(1, 40))
        ),
        "aliases",
    ),
    "a tag of Python": (
        _in_place(r"^name: .*", "name: !!python/object/apply:os.system [ls]"),
        "tag",
    ),
    "a tag of binary data": (_in_place(r"^name: .*", "name: !!binary aGVsbG8="), "tag"),
    "a tag of 100 kB": (_in_place(r"^name: .*", "name: !" + "x" * 100_000 + " a"), "tag|YAML"),
    "a merge key": (_with_line("<<: {a: 1}"), "<<"),
    "a key twice": (_with_line("name: other"), "twice"),
    "a key of 100 kB": (_with_line(f"? {'k' * 100_000}\n: 1"), "expected the keys"),
    "a whole number of 5000 digits": (_in_place(r"height: \d+", "height: " + "9" * 5000), "digits"),
    "a whole number of 400000 digits": (
        _in_place(r"height: \d+", "height: 1" + "0" * 400_000),
        "digits",
    ),
    "a whole number of 900 digits": (
        _in_place(r"height: \d+", "height: " + "9" * 900),
        "whole number",
    ),
    "a negative number of 5000 digits": (
        _in_place(r"height: \d+", "height: -" + "9" * 5000),
        "digits",
    ),
    "a decimal of 100000 digits": (
        _in_place(r"score_threshold: .*", "score_threshold: 0." + "1" * 100_000),
        "digits",
    ),
    "sexagesimal digits": (
        _in_place(r"height: \d+", "height: " + ":".join(["1"] * 100_000)),
        "whole number",
    ),
    "an octal number": (_in_place(r"height: \d+", "height: 0360"), "whole number"),
    "a hexadecimal number": (_in_place(r"height: \d+", "height: 0xF0"), "whole number"),
    "a number with underscores": (_in_place(r"height: \d+", "height: 2_40"), "whole number"),
    "infinity": (_in_place(r"score_threshold: .*", "score_threshold: .inf"), "number"),
    "no number": (_in_place(r"score_threshold: .*", "score_threshold: .nan"), "number"),
    "a number above all floats": (
        _in_place(r"mask_threshold: .*", "mask_threshold: 1.0e+999"),
        "number",
    ),
    "infinity in the figures": (
        _in_place(r"^verification:", "verification:\n  odd: .inf"),
        "number",
    ),
    "true for a number": (_in_place(r"height: \d+", "height: true"), "whole number"),
    "a date for a number": (_in_place(r"height: \d+", "height: 2026-01-01"), "whole number"),
    "a date that is none": (_in_place(r"height: \d+", "height: 2026-99-99"), "whole number"),
    "UTF-16": (lambda sound: sound.encode("utf-16"), "utf-8"),
    "Latin-1": (lambda sound: sound.encode() + b"# \xe9\n", "utf-8"),
    "a NUL": (_with_line("# \0"), "YAML"),
    "an escape sequence, raw": (_with_line("# \x1b[31m"), "YAML"),
    "half of a surrogate pair": (_in_place(r"^name: .*", 'name: "\\ud800"'), "name|YAML"),
    "two documents": (_with_line("---\nformat: 1"), "YAML"),
    "nothing": (_whole(""), "mapping"),
    "a list": (_whole("- 1"), "mapping"),
    "random bytes": (lambda _: random.Random(1).randbytes(100_000), "utf-8|YAML"),
}


def _manifest_of(text: _Text) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        sound = (folder / "bundle.yaml").read_text("utf-8")
        replace_file(folder / "bundle.yaml", text(sound))
        return folder

    return make


def _many_files(manifest: dict[str, Any]) -> None:
    stage = next(iter(manifest["stages"].values()))
    (file,) = stage["files"].values()
    file["data"] = [{**file, "path": f"x{number}"} for number in range(900)]


_CHANGES: dict[str, tuple[Change, str]] = {
    "a description of 100 kB": (put("description", "x" * 100_000), "at most 2000 characters"),
    "a licence of 100 kB": (put("licence", "x" * 100_000), "at most 1000 characters"),
    "very many sources": (
        put("source", {f"k{n}": "v" for n in range(5000)}),
        "at most 100 entries",
    ),
    "a source of 100 kB": (put("source", {"k": "x" * 100_000}), "at most 10000 characters"),
    "an image of 10^9 px": (put("preprocessing", "height", 10**9), "16384 or less"),
    "a mean of 1e300": (put("preprocessing", "mean", [1e300, 0, 0]), "1000000 or less"),
    "a deviation of 0": (put("preprocessing", "std", [0, 1, 1]), "std must be above 0"),
    "a deviation that divides to infinity": (
        put("preprocessing", "std", [1e-320, 1.0, 1.0]),
        "std",
    ),
    "a path of 100 kB": (put("concept", "tokenizer", "path", "a/" * 50_000), "at most 500 char"),
    "a file name of 300 letters": (put("concept", "tokenizer", "path", "a" * 300), "a{20}"),
    "a file of 10^15 bytes": (put("concept", "tokenizer", "bytes", 10**15), "16000000 or less"),
    "a length of -1": (put("concept", "tokenizer", "bytes", -1), "1 or more"),
    "a token of 10^30": (put("concept", "tokenizer", "pad_id", 10**30), "2147483647 or less"),
    "a text of a million tokens": (
        put("concept", "tokenizer", "context_length", 10**6),
        "1024 or less",
    ),
    "words of mixed types": (
        put("concept", "vocabulary", [1, *(f"w{n}" for n in range(9000))]),
        "a word",
    ),
    "words that are too many": (
        put("concept", "vocabulary", [f"w{n}" for n in range(20_000)]),
        "at most 10000 entries",
    ),
    "a word twice": (put("concept", "vocabulary", ["red", "red"]), "twice"),
    "a name of 10 kB": (put("name", "n" * 10_000), "a name of up to 100"),
    "a name with an end of line": (put("name", "tabletop\n"), "a name of up to 100"),
    "a name with an escape": (put("name", "\x1b[2J"), "a name of up to 100"),
    "very many stages": (
        put("stages", {f"s{n}": {"inputs": {}, "outputs": {}} for n in range(2000)}),
        "at most 64 entries",
    ),
    "very many files": (_many_files, "missing|regular|twice|bytes"),
    "figures of a text": (put("verification", "x"), "mapping"),
    "a figure above all floats": (put("verification", {"x": 10**400}), "number|mapping"),
}
