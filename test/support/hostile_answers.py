"""Recorded answers that a stranger might send: zip bombs, pickles, headers that lie."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bundle_spoiling import MB, Bytes, HostileBundle, Make, with_file


def hostile_answers() -> Iterator[HostileBundle]:
    """Yield a bundle of each known kind."""
    for name, (answers, reason) in _ANSWERS.items():
        yield HostileBundle(f"recorded answers: {name}", _answers_of(answers), reason)


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


def _index(text: str) -> Bytes:
    return lambda sound: _npz({"index": _npy(np.array(text))}, sound)


def _with_array(name: str, data: bytes) -> Bytes:
    return lambda sound: _npz({name: data}, sound)


_ANSWERS: dict[str, tuple[Bytes, str]] = {
    "no zip file": (lambda _: b"x" * 1000, "recorded answers"),
    "cut short": (lambda sound: sound[: len(sound) // 2], "recorded answers"),
    "pickled objects": (_with_array("0/0/masks", _npy(np.array([{}], object))), "recorded answers"),
    "a zip bomb": (
        _with_array("0/0/masks", _of_shape("(1000000000,)", "|u1") + b"\0" * 200 * MB),
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
        _with_array("0/0/masks", _of_shape("(" + "1," * MB + ")")),
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


def _answers_of(change: Bytes) -> Make:
    def make(good: Path, target: Path) -> Path:
        return with_file(good, target, ("recorded_answers",), change)

    return make
