"""The safetensors format: eight bytes of length, a JSON header, the tensors' bytes.

https://github.com/huggingface/safetensors: the header gives dtype, shape and place of each tensor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint, Shape
from sam3_ros.export.checkpoint.nesting import notes_of, unwrapped

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
LENGTH_BYTES = 8
#: The limit of the format's own reader.
LONGEST_HEADER = 100_000_000


def is_safetensors(path: Path) -> bool:
    """Return whether a file starts as the format does: a plausible length, then `{`."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        return 2 <= length <= LONGEST_HEADER and stream.read(1) == b"{"


def read_safetensors(path: Path) -> Checkpoint:
    """Return the contents of a file, mapped into memory.

    Raises CheckpointError, see open_checkpoint.
    """
    try:
        header = _header(path)
        originals = unwrapped({name: name for name in header if name != "__metadata__"})
        file = safe_open(path, framework="pt", device="cpu")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({error}); fetch it again") from error
    if not originals:
        raise CheckpointError(f"{path} holds no tensors; name a checkpoint of a model")
    return Checkpoint(
        path,
        {name: tuple(header[original]["shape"]) for name, original in originals.items()},
        {name: _dtype(path, header[original]) for name, original in originals.items()},
        (),
        {**notes_of(header.get("__metadata__", {})), "file": path.name},
        lambda name: file.get_tensor(originals[name]),
    )


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        text = stream.read(length)
    size = path.stat().st_size
    if len(text) < length:
        raise CheckpointError(f"the file is cut short within its header ({size:,} bytes)")
    try:
        header = json.loads(text, object_pairs_hook=_without_repetition)
        ends = [
            int(entry["data_offsets"][1])
            for name, entry in header.items()
            if name != "__metadata__"
        ]
    except (
        ArithmeticError,
        ValueError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise CheckpointError(f"the file's header is damaged ({error}); fetch it again") from error
    expected = LENGTH_BYTES + length + max(ends, default=0)
    if size < expected:
        raise CheckpointError(
            f"the file is cut short: it has {size:,} of {expected:,} bytes; fetch it again"
        )
    return dict(header)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CheckpointError(f"two tensors are called {twice}; save the model again")
    return dict(pairs)


def _dtype(path: Path, entry: Mapping[str, Any]) -> torch.dtype:
    if entry["dtype"] not in DTYPES:
        raise CheckpointError(
            f"{path} holds tensors of type {entry['dtype']}; the supported types are "
            f"{', '.join(DTYPES)}"
        )
    return DTYPES[entry["dtype"]]


def write_safetensors(
    path: Path,
    contents: Mapping[str, tuple[Shape, torch.dtype]],
    read: Callable[[str], Tensor],
    metadata: Mapping[str, str],
) -> None:
    """Write tensors one at a time, so that only one has to be in memory.

    contents: shape and dtype by name. read: gives the tensor of a name, of that shape and dtype.
    Raises CheckpointError for a dtype that the format has no name for.
    """
    # Wide numbers first, so that all of them are aligned.
    order = sorted(contents, key=lambda name: -contents[name][1].itemsize)
    text = _described({name: contents[name] for name in order}, metadata)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        for name in order:
            tensor = read(name).detach()
            if (tuple(tensor.shape), tensor.dtype) != contents[name]:
                raise ValueError(
                    f"{name} is {tensor.dtype} {list(tensor.shape)}, expected {contents[name]}"
                )
            flat = tensor.contiguous().reshape(-1)
            stream.write(memoryview(flat.view(torch.uint8).numpy()))


def _described(
    contents: Mapping[str, tuple[Shape, torch.dtype]], metadata: Mapping[str, str]
) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    place = 0
    for name, (shape, dtype) in contents.items():
        if dtype not in NAMES:
            raise CheckpointError(
                f"{name} is {dtype}, which cannot be written to a safetensors file"
            )
        end = place + prod(shape) * dtype.itemsize
        entry = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [place, end]}
        header[name] = entry
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % LENGTH_BYTES)
