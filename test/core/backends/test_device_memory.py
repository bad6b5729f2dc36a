"""Copies within a device, by calls of the CUDA runtime."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import onnxruntime
import pytest

from sam3_ros.core.backends.device_memory import CudaMemory, HostMemory
from sam3_ros.core.errors import InferenceError


class Cuda:
    """A stand-in for the CUDA runtime in host memory; the call that `fails` names returns 700."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[str] = []
        self._fails = fails

    def _called(self, name: str) -> int:
        self.calls.append(name)
        return 700 if name == self._fails else 0

    def cudaSetDevice(self, index: int) -> int:  # noqa: N802
        return self._called(f"device {index}")

    def cudaMemcpy(self, target: Any, source: Any, size: Any, kind: int) -> int:  # noqa: N802
        assert kind == 3, "from device to device"
        ctypes.memmove(target.value, source.value, size.value)
        return self._called("copy")

    def cudaStreamSynchronize(self, stream: Any) -> int:  # noqa: N802
        assert stream is None, "the default stream, in which cudaMemcpy copies"
        return self._called("wait")


def pairs(*sizes: int) -> tuple[list[tuple[Any, Any]], list[int]]:
    memory = HostMemory()
    made = [
        (
            onnxruntime.OrtValue.ortvalue_from_numpy(np.arange(n, dtype=np.float32)),
            memory.empty(onnxruntime, (n,), np.dtype(np.float32)),
        )
        for n in sizes
    ]
    return made, [4 * n for n in sizes]


def test_copies_are_done_when_it_returns() -> None:
    cuda = Cuda()
    made, sizes = pairs(3, 0, 5)
    CudaMemory(1, cuda).copy(made, sizes)
    assert cuda.calls == ["device 1", "copy", "copy", "wait"]
    for source, target in made:
        np.testing.assert_array_equal(target.numpy(), source.numpy())


@pytest.mark.parametrize("fails", ["device 0", "copy", "wait"])
def test_what_cuda_refuses_is_an_error(fails: str) -> None:
    with pytest.raises(InferenceError, match="GPU 0: error 700"):
        CudaMemory(0, Cuda(fails)).copy(*pairs(2))


def test_the_hosts_memory_copies_the_same() -> None:
    made, sizes = pairs(4, 0)
    HostMemory().copy(made, sizes)
    np.testing.assert_array_equal(made[0][1].numpy(), made[0][0].numpy())
