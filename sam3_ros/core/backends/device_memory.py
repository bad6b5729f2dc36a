"""The memory of a device: tensors in it, and copies from one to another.

ONNX Runtime copies from the host to a device and back. Not every version that we support offers
Python a copy within a device; the CUDA runtime, which ONNX Runtime has loaded already, does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.session import Array, Tensor

_DEVICE_TO_DEVICE = 3  # cudaMemcpyKind


class OrtTensor:
    """A DeviceTensor in an OrtValue, left where it was computed."""

    def __init__(
        self,
        value: Any,
        dtype: np.dtype[Any],
        device: str,
        owner: object,
        memory: HostMemory | None = None,
    ) -> None:
        """owner: what must outlive the memory, such as the session whose allocator made it.

        memory: what copies within the device; None where nothing can.
        """
        self.value = value
        self._dtype = dtype
        self._device = device
        self._shape: tuple[int, ...] = tuple(value.shape())
        self._owner = owner
        self._memory = memory

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

    def block(self, row: int, count: int | None = None) -> Tensor:
        """Return a copy of [row : row + 1, :count], on the device where something copies there."""
        if self._memory is None:
            return self.numpy()[row : row + 1, :count]
        rows, whole, *rest = self._shape
        shape = (1, whole if count is None else count, *rest)
        if not (0 <= row < rows and shape[1] <= whole):
            raise IndexError(f"no block {row}, {count} in a tensor {list(self._shape)}")
        if shape == self._shape:
            return self
        start = self.value.data_ptr() + row * prod(self._shape[1:]) * self._dtype.itemsize
        copy = self._memory.empty(import_module("onnxruntime"), shape, self._dtype)
        nbytes = prod(shape) * self._dtype.itemsize
        self._memory.copy([(_Address(start), copy)], [nbytes])
        return OrtTensor(copy, self._dtype, self._device, self._owner, self._memory)


@dataclass(frozen=True)
class _Address:
    """A place within a tensor, as a source of HostMemory.copy."""

    address: int

    def data_ptr(self) -> int:
        return self.address


class HostMemory:
    """The host's memory, used like a device's."""

    kind = "cpu"
    index = 0

    def empty(self, ort: Any, shape: Iterable[int], dtype: np.dtype[Any]) -> Any:
        """Return an OrtValue of this shape and type, uninitialised."""
        return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, self.kind, self.index)

    def copy(self, pairs: Iterable[tuple[Any, Any]], nbytes: Iterable[int]) -> None:
        """Copy OrtValues, (from, to), of this many bytes each; complete when it returns."""
        for (source, target), size in zip(pairs, nbytes, strict=True):
            if size:
                ctypes.memmove(target.data_ptr(), source.data_ptr(), size)


class CudaMemory(HostMemory):
    """A GPU's memory."""

    kind = "cuda"

    def __init__(self, index: int, runtime: Any) -> None:
        """runtime: the CUDA runtime library, as loaded_cuda_runtime returns it."""
        self.index = index
        self._cuda = runtime

    def copy(self, pairs: Iterable[tuple[Any, Any]], nbytes: Iterable[int]) -> None:
        """Copy as HostMemory does. Raises InferenceError where CUDA fails."""
        self._check(self._cuda.cudaSetDevice(self.index))
        for (source, target), size in zip(pairs, nbytes, strict=True):
            if size:
                self._check(
                    self._cuda.cudaMemcpy(
                        ctypes.c_void_p(target.data_ptr()),
                        ctypes.c_void_p(source.data_ptr()),
                        ctypes.c_size_t(size),
                        _DEVICE_TO_DEVICE,
                    )
                )
        # Within a device cudaMemcpy returns before it has copied (CUDA Runtime API, "API
        # synchronization behavior"), and ONNX Runtime's streams do not wait for the default one.
        self._check(self._cuda.cudaStreamSynchronize(None))

    def _check(self, status: int) -> None:
        if status:
            raise InferenceError(f"CUDA could not copy within GPU {self.index}: error {status}")
