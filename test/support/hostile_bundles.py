"""Bundles that a stranger might send: a sound one in which one thing was made hostile.

    for each in hostile_bundles():
        folder = each.make(good, tmp_path / "bundle")

`good` is the folder of a sound bundle with texts and recorded answers. All but the hostile thing is
sound: sizes and checksums are those of the files, so that it is not a checksum that refuses it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle_spoiling import HostileBundle, Make, changed_manifest, copied, replace_file, with_file
from hostile_answers import hostile_answers
from hostile_bundle_files import hostile_bundle_files
from hostile_manifests import hostile_manifests
from hostile_tokenizers import hostile_tokenizers

#: What a terminal would obey: its title, the clipboard, colours, 8-bit controls, direction.
ESCAPES = "\x1b]0;title\x07 \x1b]52;c;cm0=\x07 \x1b[31m \x9b2J \u202e \u2066 \u2028 [bold]x[/bold]"


def hostile_bundles() -> Iterator[HostileBundle]:
    """Yield a bundle of each known kind."""
    yield from hostile_manifests()
    yield from hostile_tokenizers()
    yield from hostile_answers()
    yield from hostile_bundle_files()


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

    return changed_manifest(change)(good, target)


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
        return with_file(good, target, place, mutate)

    return make


_FRAGMENTS = (
    b"[", b"]", b"{", b"}", b'"', b":", b": ", b",", b"\n", b"\0", b"&a", b"*a", b"!!", b"- ",
    b"9" * 400, b"-1", b"1e999", b".nan", b"NaN", b"null", b"true", b"\\u0000", b"\xff",
    b"? ", b"\xf0\x9f",
    b"\x1b[31m", b"\xe2\x80\xae", b"[" * 100, b'{"a":' * 50, b"PK\x05\x06", b"\x93NUMPY",
)  # fmt: skip
