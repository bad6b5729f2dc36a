"""Copies within a device, as CUDA is asked for them."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from sam3_ros.core.backends.device_memory import CudaMemory, HostMemory
from sam3_ros.core.backends.gpu_libraries import loaded_cuda_runtime
from sam3_ros.core.errors import BackendError, InferenceError


class Cuda:
    """Of the CUDA runtime what is called, on the host's memory; `fails` is a call that does not."""

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


def test_without_a_cuda_runtime_in_the_process_it_says_so(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libc.so.6\n")
    for name in ("libcudart.so.13", ""):
        with pytest.raises(BackendError, match="libcudart"):
            loaded_cuda_runtime(name, maps)


def test_the_runtime_that_is_loaded_is_the_one_taken(tmp_path: Path) -> None:
    """The C library stands in for CUDA's, under its name."""
    loaded = Path("/proc/self/maps").read_text(encoding="utf-8")
    c_library = re.search(r"/\S*/libc[.-]\S*", loaded)
    assert c_library is not None
    library = tmp_path / "libcudart.so.13"
    library.symlink_to(c_library[0])
    maps = tmp_path / "maps"
    another = "7f00-7f01 r-xp 00000000 08:01 1     /usr/lib/libcudart.so.12\n"
    maps.write_text(f"{another}7f00-7f01 r-xp 00000000 08:01 1                    {library}\n")
    assert loaded_cuda_runtime("libcudart.so.13", maps).abs(-3) == 3
    maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 1                    {library}\n")
    assert loaded_cuda_runtime("", maps).abs(-3) == 3, "one that does not tell takes what is there"
