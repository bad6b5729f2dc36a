"""Plain arrays of an .npz file, which may be a stranger's: sizes are known before they take memory.

numpy.load reads the header of an array as Python, and makes room for what it promises. Here a
header is of the one form that numpy.save writes, and an array has as many bytes as its header says,
or is refused.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.stages.session import Array

#: Of the file, as in the manifest's schema; a full-size bundle's answers have 22 million.
MOST_BYTES = 128_000_000
#: Of all arrays; 27 million there.
_MOST_UNPACKED = 128_000_000
#: Arrays; 168 there.
_MOST_ARRAYS = 4000
_MOST_AXES = 8
_LONGEST_HEADER = 10_000
_CHUNK_BYTES = 1 << 20
# numpy.save fills a header up to a multiple of this or of more, so that engines take the numbers
# as they lie in a file's bytes.
_ALIGNED = 16

_ENTRY = b"PK\x01\x02"  # begins each entry of a zip file's table
# By version, where the length of the header is, and where the header begins.
_VERSIONS = {b"\x93NUMPY\x01\x00": 10, b"\x93NUMPY\x02\x00": 12}
_HEADER = re.compile(
    rb"\{'descr': '([<>|=][biufU][0-9]{1,7})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:[0-9]{1,19}, )*(?:[0-9]{1,19},?)?)\), \} *\n"
)


def read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of booleans, numbers and texts, by name.

    Raises OSError for a file that cannot be read or is too large, ValueError for anything else.
    """
    data = read_at_most(path, MOST_BYTES)
    # zipfile itself would make an object of each entry first.
    if data.count(_ENTRY) > _MOST_ARRAYS:
        raise ValueError(f"expected at most {_MOST_ARRAYS} arrays, got more")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _read(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError: encrypted. NotImplementedError: packed in a way that numpy does not use.
        raise ValueError(f"it is no sound .npz file: {error}") from error


def _read(archive: zipfile.ZipFile) -> dict[str, Array]:
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    if total > _MOST_UNPACKED:
        raise ValueError(f"expected at most {_MOST_UNPACKED} bytes of arrays, got {total}")
    arrays = {}
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"array {entry.filename[:80]!r} is packed in another way than numpy's")
        with archive.open(entry) as stream:
            content = _unpacked(stream, entry.file_size)
        name = entry.filename.removesuffix(".npy")
        if name in arrays:
            raise ValueError(f"it has the array {name[:80]!r} twice")
        try:
            arrays[name] = array_of(content)
        except (ValueError, TypeError) as error:
            raise ValueError(f"array {name[:80]!r}: {error}") from error
    return arrays


def _unpacked(stream: IO[bytes], size: int) -> bytearray:
    """Return so many bytes, or fewer if there are no more, without a second copy."""
    content, end = bytearray(size), 0
    # With a length, no more is unpacked than the entry promises.
    while chunk := stream.read(min(_CHUNK_BYTES, size - end)):
        content[end : end + len(chunk)] = chunk
        end += len(chunk)
    del content[end:]
    return content


def array_of(content: bytearray) -> Array:
    """Return the array of an .npy file's bytes, which is a view of them.

    Raises ValueError or TypeError.
    """
    begin = _VERSIONS.get(bytes(content[:8]))
    if begin is None:
        raise ValueError("expected what numpy.save writes")
    length = int.from_bytes(content[8:begin], "little")
    header = content[begin : begin + min(length, _LONGEST_HEADER)]
    form = _HEADER.fullmatch(header)
    if form is None:
        raise ValueError("expected a header of a plain array of booleans, numbers or texts")
    dtype = np.dtype(form[1].decode())
    shape = tuple(int(size) for size in re.findall(rb"[0-9]+", form[3]))
    size = max(0, len(content) - begin - length)
    if len(shape) > _MOST_AXES or prod(shape) * dtype.itemsize != size:
        raise ValueError(
            f"its header promises {dtype} in the shape {str(shape)[:80]}, and it has {size} bytes"
        )
    if (begin + length) % _ALIGNED:
        raise ValueError("expected numbers that begin where numpy.save has them begin")
    flat = np.frombuffer(content, dtype, offset=begin + length) if size else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if form[2] == b"True" else "C")
