"""The memory of a device: tensors in it, and what copies into it and within it.

ONNX Runtime copies from the host to a device and back, and waits for each copy. Not every version
that we support offers Python a copy within a device. So copies to a GPU and within it are given to
a stream (device_stream.py).
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from sam3_ros.core.backends.device_stream import DeviceStream, device_stream
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.stages.session import Array, Tensor

log = logging.getLogger(__name__)


class OrtTensor:
    """A DeviceTensor in an OrtValue, left where it was computed."""

    def __init__(
        self, value: Any, dtype: np.dtype[Any], memory: HostMemory, name: str, owner: object
    ) -> None:
        """memory: where it is. name: for errors, such as "masks of segmentation.onnx".

        owner: what must outlive the memory, such as the session whose allocator made it.
        """
        self.value = value
        self._dtype = dtype
        self._memory = memory
        self._name = name
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
        return self._memory.device

    def ready_for(self, memory: HostMemory) -> Any:
        """Return the OrtValue for a session on this memory, which is on the same device.

        Waits for the value where that session does not compute in the stream that computes it.
        """
        if memory.stream is not self._memory.stream:
            self._memory.wait(self._name)
        return self.value

    def numpy(self) -> Array:
        """Wait for the value; return a copy on the host.

        Raises InferenceError where the value was not computed, or cannot be copied.
        """
        with self._memory.lock:
            self._memory.wait(self._name)
            try:
                array: Array = self.value.numpy()
            except Exception as error:
                raise InferenceError(
                    f"{self._name} cannot be copied to the host: {error}"
                ) from error
        return array

    def block(self, row: int, count: int | None = None) -> Tensor:
        """Return a copy of [row : row + 1, :count], on the device where something copies there."""
        if not self._memory.copies:
            return self.numpy()[row : row + 1, :count]
        rows, whole, *rest = self._shape
        shape = (1, whole if count is None else count, *rest)
        if not (0 <= row < rows and shape[1] <= whole):
            raise IndexError(f"no block {row}, {count} in a tensor {list(self._shape)}")
        if shape == self._shape:
            return self
        start = self.value.data_ptr() + row * prod(self._shape[1:]) * self._dtype.itemsize
        with self._memory.lock:
            copy = self._memory.empty(import_module("onnxruntime"), shape, self._dtype)
            self._memory.copy(copy, start, prod(shape) * self._dtype.itemsize)
        return OrtTensor(copy, self._dtype, self._memory, self._name, self._owner)


class HostMemory:
    """The host's memory, used like a device's."""

    kind = "cpu"
    index = 0
    #: Whether `copy` can be called.
    copies = True
    #: The stream in which sessions on this memory compute without waiting; None if they wait.
    stream: DeviceStream | None = None

    @property
    def device(self) -> str:
        """Such as "cuda:0"."""
        return f"{self.kind}:{self.index}"

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held by a thread while it takes memory of the device, gives it work, or waits for it."""
        return nullcontext()

    def empty(self, ort: Any, shape: Iterable[int], dtype: np.dtype[Any]) -> Any:
        """Return an OrtValue of this shape and type, uninitialised."""
        return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, self.kind, self.index)

    def upload(self, target: Any, array: Array) -> None:
        """Copy a contiguous array into an OrtValue of the same shape and type."""
        target.update_inplace(array)

    def copy(self, target: Any, source: int, nbytes: int) -> None:
        """Copy from an address of this memory to the beginning of an OrtValue in it."""
        ctypes.memmove(target.data_ptr(), source, nbytes)

    def wait(self, what: str) -> None:
        """Wait until the work given so far is done. Raises InferenceError, with what, if it failed.

        what: what is about to be read.
        """


class CudaMemory(HostMemory):
    """A GPU's memory, with sessions that wait for the end of each run. Nothing copies within it."""

    kind = "cuda"
    copies = False

    def __init__(self, index: int) -> None:
        self.index = index


class CopiedCudaMemory(CudaMemory):
    """The same where a stream copies, and each copy is waited for."""

    copies = True

    def __init__(self, stream: DeviceStream) -> None:
        super().__init__(stream.index)
        self._stream = stream

    @property
    def lock(self) -> AbstractContextManager[object]:
        return self._stream.lock

    def copy(self, target: Any, source: int, nbytes: int) -> None:
        self._stream.copy(target.data_ptr(), source, nbytes)
        self._stream.wait("a copy within it")


class StreamedCudaMemory(CopiedCudaMemory):
    """A GPU's memory in which one stream orders all: runs, copies into it and copies within it."""

    def __init__(self, stream: DeviceStream) -> None:
        super().__init__(stream)
        self.stream = stream

    def upload(self, target: Any, array: Array) -> None:
        self._stream.upload(target.data_ptr(), array)

    def copy(self, target: Any, source: int, nbytes: int) -> None:
        self._stream.copy(target.data_ptr(), source, nbytes)

    def wait(self, what: str) -> None:
        self._stream.wait(what)


def device_memory(kind: str, index: int, ort: Any, takes_stream: bool) -> HostMemory:
    """Return the memory of a device.

    kind: ONNX Runtime's name for it, "cpu" or "cuda". ort: the module onnxruntime, with NVIDIA's
    libraries loaded. takes_stream: whether the provider can compute in a stream that it is given.
    """
    if kind == HostMemory.kind:
        return HostMemory()
    stream = device_stream(index)
    if stream is None:
        return CudaMemory(index)
    if not takes_stream:
        return CopiedCudaMemory(stream)
    # Without them nobody knows which inputs a session reads on the host, and ONNX Runtime would
    # fetch those from the GPU before the stream has written them.
    if not hasattr(ort.InferenceSession, "get_input_memory_infos"):
        _warn_of_waiting(ort.__version__)
        return CopiedCudaMemory(stream)
    return StreamedCudaMemory(stream)


@cache
def _warn_of_waiting(version: str) -> None:
    log.warning(
        "every stage on a GPU waits for its end by itself: ONNX Runtime %s does not say where a "
        "session reads its inputs; later versions do",
        version,
    )
