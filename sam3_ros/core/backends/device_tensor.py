"""A tensor of ONNX Runtime, left where it was computed."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from sam3_ros.core.stages.session import Array


class OrtTensor:
    """A DeviceTensor in an OrtValue.

    owner: what must outlive the memory, such as the session whose allocator gave it.
    """

    def __init__(self, value: Any, dtype: np.dtype[Any], device: str, owner: object) -> None:
        self.value = value
        self._dtype = dtype
        self._device = device
        self._shape: tuple[int, ...] = tuple(value.shape())
        self._owner = owner

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def nbytes(self) -> int:
        return prod(self._shape) * self._dtype.itemsize

    @property
    def device(self) -> str:
        return self._device

    def numpy(self) -> Array:
        array: Array = self.value.numpy()
        return array
