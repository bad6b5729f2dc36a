"""The contents of a checkpoint: names, shapes, and tensors that are read on demand."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from sam3_ros.core.bundle.files import sha256_of
from sam3_ros.export.bindings import Shape

Note = int | float | str


@dataclass(frozen=True)
class Leftover:
    """An entry of a file beside the model: an optimiser's state, an epoch, arguments."""

    #: The key of the entry.
    name: str
    #: Size of the tensors in it; 0 where there are none.
    bytes: int


@dataclass(frozen=True)
class Checkpoint:
    """The model in a file, or in several. open_checkpoint (file.py) makes it.

    The tensors stay in the file, mapped into memory: do not write to them, and do not change the
    file while they are in use.
    """

    #: The file, or the index of several.
    path: Path
    #: By the original's tensor names, in the order of the file.
    shapes: Mapping[str, Shape]
    #: By the same names, in the same order.
    dtypes: Mapping[str, torch.dtype]
    #: What the file holds beside the model.
    leftovers: tuple[Leftover, ...]
    #: Plain values beside the model, such as meta.text_context_length, and `file`, its name.
    notes: Mapping[str, Note]
    #: Reads the tensor of a name. Raises KeyError.
    read: Callable[[str], Tensor] = field(repr=False)
    #: What stands before every name in the file and was taken off.
    prefix: str = ""
    #: Whose names the file has, where they are not the original's.
    form: str = ""
    #: The key of the entry with the model, such as `model_ema`; dotted where it lies deeper, empty
    #: where the file holds nothing else.
    place: str = ""
    #: The files with the tensors, where they are several.
    shards: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files with the tensors, at least one."""
        return self.shards or (self.path,)

    @property
    def file_bytes(self) -> int:
        """Size of the files."""
        return sum(file.stat().st_size for file in self.files)

    def tensor(self, name: str) -> Tensor:
        """Return a tensor on the CPU; its numbers are a copy only where the form packs others.

        Raises KeyError; CheckpointError for a damaged form.
        """
        return self.read(name)

    def size(self, name: str) -> int:
        """Return how many numbers a tensor holds. Raises KeyError."""
        return prod(self.shapes[name])

    def bytes(self, name: str) -> int:
        """Return how many bytes a tensor takes. Raises KeyError."""
        return self.size(name) * self.dtypes[name].itemsize

    def sha256(self) -> str:
        """Return the hash of the whole file in lower-case hex; the file is read once.

        Of several files it is the hash of their list as `sha256sum` prints it: a line each, with
        hash, two spaces and name, in the order of the names.
        """
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        if not self.shards:
            return sha256_of(self.path)
        files = sorted(self.shards, key=lambda file: file.name)
        lines = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()


def is_finite(tensor: Tensor) -> bool:
    """Return whether all numbers of a tensor are finite, without copying it."""
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    low, high = torch.aminmax(tensor)
    return math.isfinite(low) and math.isfinite(high)
