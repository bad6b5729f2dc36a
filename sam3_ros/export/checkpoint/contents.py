"""The contents of a checkpoint: names, shapes, and tensors that are read on demand."""

from __future__ import annotations

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
    """The model in a file. open_checkpoint (file.py) makes it.

    The tensors stay in the file, mapped into memory: do not write to them, and do not change the
    file while they are in use.
    """

    #: The file.
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

    def tensor(self, name: str) -> Tensor:
        """Return a tensor on the CPU without copying its numbers. Raises KeyError."""
        return self.read(name)

    def size(self, name: str) -> int:
        """Return how many numbers a tensor holds. Raises KeyError."""
        return prod(self.shapes[name])

    def bytes(self, name: str) -> int:
        """Return how many bytes a tensor takes. Raises KeyError."""
        return self.size(name) * self.dtypes[name].itemsize

    def sha256(self) -> str:
        """Return the hash of the whole file in lower-case hex; the file is read once."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return sha256_of(self.path)


def is_finite(tensor: Tensor) -> bool:
    """Return whether all numbers of a tensor are finite, without copying it."""
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    low, high = torch.aminmax(tensor)
    return math.isfinite(low) and math.isfinite(high)
