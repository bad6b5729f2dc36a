"""A checkpoint as names, shapes and tensors that are read when they are asked for."""

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
    """What a file holds beside the model: an optimiser's state, an epoch, arguments.

    bytes: of the tensors in it; 0 where there are none.
    """

    name: str
    bytes: int


@dataclass(frozen=True)
class Checkpoint:
    """The model of a file. Made by file.open_checkpoint.

    shapes, dtypes: by the original's tensor names, in the order of the file. notes: plain values
    beside the model, such as meta.text_context_length, and `file`, its name. The tensors stay in
    the file, mapped into memory: do not write to them, nor change the file while they are in use.
    """

    path: Path
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, torch.dtype]
    leftovers: tuple[Leftover, ...]
    notes: Mapping[str, Note]
    read: Callable[[str], Tensor] = field(repr=False)

    def tensor(self, name: str) -> Tensor:
        """A tensor on the CPU, its numbers not copied. Raises KeyError."""
        return self.read(name)

    def size(self, name: str) -> int:
        """How many numbers a tensor holds. Raises KeyError."""
        return prod(self.shapes[name])

    def bytes(self, name: str) -> int:
        """How many bytes a tensor takes. Raises KeyError."""
        return self.size(name) * self.dtypes[name].itemsize

    def sha256(self) -> str:
        """Of the whole file, in lower-case hex; read once."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return sha256_of(self.path)


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite; without a copy of the tensor."""
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    low, high = torch.aminmax(tensor)
    return math.isfinite(low) and math.isfinite(high)
