"""The memory of a device: making tensors there, and copying from one to another.

ONNX Runtime copies from the host to a device and back; a copy within a device it does not offer to
Python in every version that we take. The CUDA runtime does, and ONNX Runtime has loaded it already.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.errors import BackendError, InferenceError

_DEVICE_TO_DEVICE = 3  # cudaMemcpyKind
_MAPS = Path("/proc/self/maps")


class HostMemory:
    """The host's own memory, in the place of a device's."""

    kind = "cpu"
    index = 0

    def empty(self, ort: Any, shape: Iterable[int], dtype: np.dtype[Any]) -> Any:
        """An OrtValue of this shape and type; what is in it is left to chance."""
        return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, self.kind, self.index)

    def copy(self, pairs: Iterable[tuple[Any, Any]], nbytes: Iterable[int]) -> None:
        """Copy OrtValues, (from, to), of so many bytes each; done when it returns."""
        for (source, target), size in zip(pairs, nbytes, strict=True):
            if size:
                ctypes.memmove(target.data_ptr(), source.data_ptr(), size)


class CudaMemory(HostMemory):
    """A GPU's memory."""

    kind = "cuda"

    def __init__(self, index: int, runtime: Any) -> None:
        """runtime: the CUDA runtime library, such as loaded_cuda_runtime gives."""
        self.index = index
        self._cuda = runtime

    def copy(self, pairs: Iterable[tuple[Any, Any]], nbytes: Iterable[int]) -> None:
        """Raises InferenceError where CUDA refuses."""
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


def loaded_cuda_runtime(name: str, maps: Path = _MAPS) -> Any:
    """The CUDA runtime of this name, such as libcudart.so.13, that this process has loaded.

    name: empty for whichever there is. Raises BackendError if there is none.
    """
    wanted = re.escape(name or "libcudart.so")
    found = re.search(rf"\S*/{wanted}\S*", maps.read_text(errors="replace"))
    if found is None:
        raise BackendError(
            f"CUDA graphs need the CUDA runtime ({name or 'libcudart'}) that ONNX Runtime loads, "
            f"and this process has none: run without them"
        )
    return ctypes.CDLL(found[0])
