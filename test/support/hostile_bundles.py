"""Bundles that a stranger might send: a sound one in which one thing was made hostile.

    for each in hostile_bundles():
        folder = each.make(good, tmp_path / "bundle")

`good` is the folder of a sound bundle with texts and recorded answers. All but the hostile thing is
sound: sizes and checksums are those of the files, so that it is not a checksum that refuses it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Make = Callable[[Path, Path], Path]

#: What a terminal would obey: its title, the clipboard, colours, 8-bit controls, direction.
ESCAPES = "\x1b]0;title\x07 \x1b]52;c;cm0=\x07 \x1b[31m \x9b2J \u202e \u2066 \u2028 [bold]x[/bold]"


@dataclass(frozen=True)
class HostileBundle:
    """One hostile bundle."""

    #: Unique; the part before ": " is what is hostile.
    name: str
    #: From the folder of a sound bundle and a folder that is not there yet, the hostile one.
    make: Make
    #: What the refusal must match.
    reason: str


def hostile_bundles() -> Iterator[HostileBundle]:
    """Yield a bundle of each known kind."""
    for name, (text, reason) in _TEXTS.items():
        yield HostileBundle(f"manifest: {name}", _manifest_of(text), reason)
    for name, (change, reason) in _CHANGES.items():
        yield HostileBundle(f"manifest: {name}", _changed_manifest(change), reason)
    for name, (tokenizer, reason) in _TOKENIZERS.items():
        yield HostileBundle(f"tokenizer: {name}", _tokenizer_of(tokenizer), reason)
    for name, (answers, reason) in _ANSWERS.items():
        yield HostileBundle(f"recorded answers: {name}", _answers_of(answers), reason)
    for name, (spoil, reason) in _FILES.items():
        yield HostileBundle(f"files: {name}", spoil, reason)


def mutated_bundles(seed: int, count: int) -> Iterator[tuple[str, Make]]:
    """Yield bundles with random bytes of manifest, tokenizer or recorded answers changed.

    The same seed gives the same bundles. Some of them may be sound.
    """
    for number in range(count):
        which = ("manifest", "tokenizer", "recorded answers")[number % 3]
        yield f"{which}: seed {seed}, number {number}", _mutated(which, f"{seed} {number}")


def with_escapes(good: Path, target: Path) -> Path:
    """Make a bundle that is sound, whose texts hold what a terminal would obey."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["description"] = f"hello {ESCAPES}\nsound: all is well"
        manifest["licence"] = f"MIT {ESCAPES}"
        manifest["source"] = {f"origin {ESCAPES}": ESCAPES}
        manifest["verification"] = {f"verified {ESCAPES}": {ESCAPES: ESCAPES}}

    return _changed_manifest(change)(good, target)


def copied(good: Path, target: Path) -> Path:
    """Copy a bundle's folder; its files may be replaced there, but not written into."""

    def link(source: str, beside: str) -> str:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copy2(source, beside)
        return beside

    return Path(shutil.copytree(good, target, copy_function=link))


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in place of another, which may have other names."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read_manifest(folder: Path) -> dict[str, Any]:
    return dict(yaml.load((folder / "bundle.yaml").read_text("utf-8"), yaml.CSafeLoader))


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = yaml.dump(manifest, Dumper=yaml.CSafeDumper, sort_keys=False)
    replace_file(folder / "bundle.yaml", text.encode())


def stated(path: str, data: bytes) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


# The manifest as bytes, from the sound one's.
_Text = Callable[[str], bytes]


def _whole(text: str) -> _Text:
    return lambda _: text.encode()


def _with_line(line: str) -> _Text:
    return lambda sound: (sound + line + "\n").encode()


def _in_place(pattern: str, text: str) -> _Text:
    return lambda sound: re.sub(pattern, lambda _: text, sound, count=1, flags=re.M).encode()


_MB = 1_000_000
_DEEP, _MANY, _LONG = "levels|nesting", "values", "characters|bytes"
_TEXTS: dict[str, tuple[_Text, str]] = {
    "flow sequences nested deep": (_whole("[" * _MB), _DEEP),
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
    "a manifest of 8 MB": (_whole("#" * 8 * _MB), _LONG),
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


_Change = Callable[[dict[str, Any]], None]


def _put(*steps_and_value: Any) -> _Change:
    """Return what puts a value to a place of the manifest."""
    *steps, last, value = steps_and_value

    def change(manifest: dict[str, Any]) -> None:
        for step in steps:
            manifest = manifest[step]
        manifest[last] = value

    return change


def _many_files(manifest: dict[str, Any]) -> None:
    stage = next(iter(manifest["stages"].values()))
    (file,) = stage["files"].values()
    file["data"] = [{**file, "path": f"x{number}"} for number in range(900)]


_CHANGES: dict[str, tuple[_Change, str]] = {
    "a description of 100 kB": (_put("description", "x" * 100_000), "at most 2000 characters"),
    "a licence of 100 kB": (_put("licence", "x" * 100_000), "at most 1000 characters"),
    "very many sources": (
        _put("source", {f"k{n}": "v" for n in range(5000)}),
        "at most 100 entries",
    ),
    "a source of 100 kB": (_put("source", {"k": "x" * 100_000}), "at most 10000 characters"),
    "an image of 10^9 px": (_put("preprocessing", "height", 10**9), "16384 or less"),
    "a mean of 1e300": (_put("preprocessing", "mean", [1e300, 0, 0]), "1000000 or less"),
    "a deviation of 0": (_put("preprocessing", "std", [0, 1, 1]), "std must be above 0"),
    "a deviation that divides to infinity": (
        _put("preprocessing", "std", [1e-320, 1.0, 1.0]),
        "std",
    ),
    "a path of 100 kB": (_put("concept", "tokenizer", "path", "a/" * 50_000), "at most 500 char"),
    "a file name of 300 letters": (_put("concept", "tokenizer", "path", "a" * 300), "a{20}"),
    "a file of 10^15 bytes": (_put("concept", "tokenizer", "bytes", 10**15), "16000000 or less"),
    "a length of -1": (_put("concept", "tokenizer", "bytes", -1), "1 or more"),
    "a token of 10^30": (_put("concept", "tokenizer", "pad_id", 10**30), "2147483647 or less"),
    "a text of a million tokens": (
        _put("concept", "tokenizer", "context_length", 10**6),
        "1024 or less",
    ),
    "words of mixed types": (
        _put("concept", "vocabulary", [1, *(f"w{n}" for n in range(9000))]),
        "a word",
    ),
    "words that are too many": (
        _put("concept", "vocabulary", [f"w{n}" for n in range(20_000)]),
        "at most 10000 entries",
    ),
    "a word twice": (_put("concept", "vocabulary", ["red", "red"]), "twice"),
    "a name of 10 kB": (_put("name", "n" * 10_000), "a name of up to 100"),
    "a name with an end of line": (_put("name", "tabletop\n"), "a name of up to 100"),
    "a name with an escape": (_put("name", "\x1b[2J"), "a name of up to 100"),
    "very many stages": (
        _put("stages", {f"s{n}": {"inputs": {}, "outputs": {}} for n in range(2000)}),
        "at most 64 entries",
    ),
    "very many files": (_many_files, "missing|regular|twice|bytes"),
    "figures of a text": (_put("verification", "x"), "mapping"),
    "a figure above all floats": (_put("verification", {"x": 10**400}), "number|mapping"),
}


def _changed_manifest(change: _Change) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        manifest = read_manifest(folder)
        change(manifest)
        write_manifest(folder, manifest)
        return folder

    return make


# A file's bytes, from the sound one's.
_Bytes = Callable[[bytes], bytes]


def _changed_tokenizer(change: Callable[[dict[str, Any]], None]) -> _Bytes:
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
_TOKENIZERS: dict[str, tuple[_Bytes, str]] = {
    "lists nested deep": (lambda _: b"[" * 200_000, "levels|nested|JSON"),
    "mappings nested deep": (lambda _: b'{"a":' * 200_000, "levels|nested|JSON"),
    "lists nested in a sound one": (
        lambda sound: sound[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "levels|nested|JSON",
    ),
    "20 MB": (lambda sound: sound + b" " * 20 * _MB, "16000000"),
    "very many lists": (lambda _: b"[" + b"[]," * 4 * _MB + b"1]", "values"),
    "very many numbers": (lambda _: b"[" + b"12345," * 2 * _MB + b"1]", "values"),
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
    "another model": (_changed_tokenizer(_put("model", "type", "Unigram")), "BPE"),
    "a token of no number": (
        _changed_tokenizer(_put("model", "vocab", {"a": "b"})),
        "whole number",
    ),
    "a token of -1": (_changed_tokenizer(_put("model", "vocab", {"a": -1})), "0 to"),
    "a token of 2^40": (_changed_tokenizer(_put("model", "vocab", {"a": 2**40})), "0 to"),
    "two tokens of one number": (
        _changed_tokenizer(_put("model", "vocab", {"a": 1, "b": 1})),
        "twice|merge",
    ),
    "no tokens": (_changed_tokenizer(_put("model", "vocab", {})), "token|merge"),
    "a token of 100 kB": (
        _changed_tokenizer(_put("model", "vocab", {"a" * 100_000: 1})),
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
    "merges that are a text": (_changed_tokenizer(_put("model", "merges", "a b")), "merges"),
    "an unknown key": (_changed_tokenizer(_put("plugin", "x.so")), "plugin"),
    "a catastrophic expression to replace": (
        _changed_tokenizer(
            _put(
                "normalizer", {"type": "Replace", "pattern": {"Regex": _CATASTROPHE}, "content": ""}
            )
        ),
        "expression",
    ),
    "a catastrophic expression to split": (
        _changed_tokenizer(
            _put(
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
            _put(
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
            _put(
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
        _changed_tokenizer(_put("model", "vocab", {f"{n:x}": n for n in range(900_000)})),
        "values",
    ),
    "an unknown normalizer": (
        _changed_tokenizer(
            _put("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"})
        ),
        "Precompiled",
    ),
}


def _tokenizer_of(change: _Bytes) -> Make:
    def make(good: Path, target: Path) -> Path:
        return _with_file(good, target, ("concept", "tokenizer"), change)

    return make


def _with_file(good: Path, target: Path, place: tuple[str, ...], change: _Bytes) -> Path:
    folder = copied(good, target)
    manifest = entry = read_manifest(folder)
    for step in place:
        entry = entry[step]
    data = change((folder / entry["path"]).read_bytes())
    entry.update(stated(entry["path"], data))
    replace_file(folder / entry["path"], data)
    write_manifest(folder, manifest)
    return folder


def _npz(arrays: dict[str, bytes], sound: bytes = b"") -> bytes:
    """Return a zip file of these raw .npy files, and of those of a sound one beside them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in arrays.items():
            target.writestr(f"{name}.npy", data)
        if sound:
            with zipfile.ZipFile(io.BytesIO(sound)) as source:
                for name in source.namelist():
                    if name.removesuffix(".npy") not in arrays:
                        target.writestr(name, source.read(name))
    return stream.getvalue()


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def _header(text: str, data: bytes = b"") -> bytes:
    """Return an .npy file with this text as its header."""
    head = text.encode("latin1") + b"\n"
    return b"\x93NUMPY\x02\x00" + len(head).to_bytes(4, "little") + head + data


def _of_shape(shape: str, kind: str = "<f4") -> bytes:
    return _header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")


def _index(text: str) -> _Bytes:
    return lambda sound: _npz({"index": _npy(np.array(text))}, sound)


def _with_array(name: str, data: bytes) -> _Bytes:
    return lambda sound: _npz({name: data}, sound)


_ANSWERS: dict[str, tuple[_Bytes, str]] = {
    "no zip file": (lambda _: b"x" * 1000, "recorded answers"),
    "cut short": (lambda sound: sound[: len(sound) // 2], "recorded answers"),
    "pickled objects": (_with_array("0/0/masks", _npy(np.array([{}], object))), "recorded answers"),
    "a zip bomb": (
        _with_array("0/0/masks", _of_shape("(1000000000,)", "|u1") + b"\0" * 200 * _MB),
        "bytes",
    ),
    "very many arrays": (lambda _: _npz({f"{n}": _npy(1) for n in range(5000)}), "arrays"),
    "a shape of 10^15": (
        _with_array("0/0/masks", _of_shape("(1000000, 1000000, 1000)")),
        "bytes|recorded",
    ),
    "a shape of 2^70": (
        _with_array("0/0/masks", _of_shape("(1180591620717411303424,)")),
        "recorded",
    ),
    "a shape of -1": (_with_array("0/0/masks", _of_shape("(-1,)")), "recorded"),
    "a shape of 10^6 axes": (
        _with_array("0/0/masks", _of_shape("(" + "1," * _MB + ")")),
        "recorded",
    ),
    "a shape of very many digits": (
        _with_array("0/0/masks", _of_shape("(" + "1" * 9000 + "x)")),
        "recorded",
    ),
    "a header nested deep": (
        _with_array("0/0/masks", _header("(" * 9000 + ")" * 9000)),
        "recorded",
    ),
    "a header of 4 GB": (
        _with_array("0/0/masks", b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        "recorded",
    ),
    "texts for numbers": (_with_array("0/0/masks", _npy(["a"])), "recorded"),
    "complex numbers": (_with_array("0/0/masks", _npy([1j])), "recorded"),
    "an index nested deep": (_index("[" * 100_000), "recorded"),
    "an index that is no JSON": (_index("hello"), "recorded"),
    "an index of a number": (_index("7"), "recorded"),
    "an index of odd entries": (_index('[{"name": {}, "questions": 5}]'), "recorded"),
    "an index with a number of 5000 digits": (_index('[{"name": ' + "9" * 5000 + "}]"), "recorded"),
    "an index of what is not there": (
        _index('[{"name": "a", "questions": [{"name": "q", "queries": [0]}]}]'),
        "recorded",
    ),
    "queries of 10^9": (
        _index('[{"name": "a", "questions": [{"name": "q", "queries": [1000000000]}]}]'),
        "recorded",
    ),
}


def _answers_of(change: _Bytes) -> Make:
    def make(good: Path, target: Path) -> Path:
        return _with_file(good, target, ("recorded_answers",), change)

    return make


def _fifo(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    (folder / "bundle.yaml").unlink()
    os.mkfifo(folder / "bundle.yaml")
    return folder


def _manifest_is_a_folder(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    (folder / "bundle.yaml").unlink()
    (folder / "bundle.yaml").mkdir()
    return folder


def _manifest_leads(to: str) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        (folder / "bundle.yaml").unlink()
        (folder / "bundle.yaml").symlink_to(to)
        return folder

    return make


def _tokenizer_is(spoil: Callable[[Path], None]) -> Make:
    def make(good: Path, target: Path) -> Path:
        folder = copied(good, target)
        path = folder / str(read_manifest(folder)["concept"]["tokenizer"]["path"])
        path.unlink()
        spoil(path)
        return folder

    return make


def _tokenizer_path(path: str) -> Make:
    return _changed_manifest(_put("concept", "tokenizer", "path", path))


def _sparse(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    manifest, size = read_manifest(folder), 60 * 10**9
    stage = next(iter(manifest["stages"].values()))
    (file,) = stage["files"].values()
    replace_file(folder / file["path"], b"")
    os.truncate(folder / file["path"], size)
    file["bytes"] = size
    write_manifest(folder, manifest)
    return folder


def _many_sparse(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    manifest, size, count = read_manifest(folder), 50_000_000, 400
    stage = next(iter(manifest["stages"].values()))
    (file,) = stage["files"].values()
    file["data"] = []
    zeros = hashlib.sha256(bytes(size)).hexdigest()
    for number in range(count):
        path = f"fp32/weights{number}.bin"
        replace_file(folder / path, b"")
        os.truncate(folder / path, size)
        file["data"].append({"path": path, "sha256": zeros, "bytes": size})
    write_manifest(folder, manifest)
    return folder


def _huge_manifest(good: Path, target: Path) -> Path:
    folder = copied(good, target)
    replace_file(folder / "bundle.yaml", b"")
    os.truncate(folder / "bundle.yaml", 10**12)
    return folder


_FILES: dict[str, tuple[Make, str]] = {
    "the manifest is a FIFO": (_fifo, "regular file"),
    "the manifest is a folder": (_manifest_is_a_folder, "regular file"),
    "the manifest is a device": (_manifest_leads("/dev/zero"), "out of the bundle"),
    "the manifest leads to itself": (_manifest_leads("bundle.yaml"), "link|found"),
    "the manifest leads out": (_manifest_leads("/etc/hostname"), "out of the bundle"),
    "the manifest leads nowhere": (_manifest_leads("nowhere"), "missing"),
    "a manifest of 1 TB of nothing": (_huge_manifest, "bytes|characters"),
    "a model of 60 GB of nothing": (_sparse, "holes"),
    "20 GB of nothing in 400 files": (_many_sparse, "holes"),
    "a file is a FIFO": (_tokenizer_is(os.mkfifo), "regular file"),
    "a file is a folder": (_tokenizer_is(Path.mkdir), "regular file"),
    "a file leads to a device": (
        _tokenizer_is(lambda path: path.symlink_to("/dev/zero")),
        "out of the bundle",
    ),
    "a file leads out": (
        _tokenizer_is(lambda path: path.symlink_to("/etc/passwd")),
        "out of the bundle",
    ),
    "a file leads to itself": (
        _tokenizer_is(lambda path: path.symlink_to(path.name)),
        "link|found",
    ),
    "a path to the root": (_tokenizer_path("/etc/passwd"), "outside"),
    "a path upwards": (_tokenizer_path("../tokenizer.json"), "outside"),
    "a path upwards, hidden": (_tokenizer_path("fp32/../../tokenizer.json"), "outside"),
    "a path with a drive": (_tokenizer_path("C:/tokenizer.json"), "outside"),
    "a path with a NUL": (_tokenizer_path("tokenizer.json\0"), "outside"),
    "a path with an escape": (_tokenizer_path("\x1b[2Jtokenizer.json"), "x1b"),
    "a path below the kernel": (_tokenizer_path("./proc/self/mem"), "missing"),
    "a path that is the folder": (_tokenizer_path("."), "regular file"),
}


def _mutated(which: str, seed: str) -> Make:
    def mutate(sound: bytes) -> bytes:
        chance, data = random.Random(seed), bytearray(sound)
        for _ in range(chance.choice((1, 1, 3, 30))):
            begin = chance.randrange(len(data) or 1)
            length = chance.choice((1, 1, 4, 100))
            how = chance.randrange(5)
            if how == 0:
                data[begin : begin + length] = chance.randbytes(length)
            elif how == 1:
                del data[begin : begin + length]
            elif how == 2:
                data[begin:begin] = data[begin : begin + length] * chance.choice((2, 50))
            elif how == 3:
                other = chance.randrange(len(data) or 1)
                data[begin : begin + length] = data[other : other + length]
            else:
                data[begin : begin + length] = chance.choice(_FRAGMENTS)
        return bytes(data)

    def make(good: Path, target: Path) -> Path:
        if which == "manifest":
            folder = copied(good, target)
            replace_file(folder / "bundle.yaml", mutate((folder / "bundle.yaml").read_bytes()))
            return folder
        place = ("concept", "tokenizer") if which == "tokenizer" else ("recorded_answers",)
        return _with_file(good, target, place, mutate)

    return make


_FRAGMENTS = (
    b"[", b"]", b"{", b"}", b'"', b":", b": ", b",", b"\n", b"\0", b"&a", b"*a", b"!!", b"- ",
    b"9" * 400, b"-1", b"1e999", b".nan", b"NaN", b"null", b"true", b"\\u0000", b"\xff",
    b"? ", b"\xf0\x9f",
    b"\x1b[31m", b"\xe2\x80\xae", b"[" * 100, b'{"a":' * 50, b"PK\x05\x06", b"\x93NUMPY",
)  # fmt: skip
