"""A stand-in for the CUDA runtime, in the host's memory: it records its calls.

What a call gives to a stream is done at once. A test that has to see that it is done in order, and
not before a wait, makes it with `lazy`: then copies happen when the stream is waited for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

#: cudaErrorIllegalAddress
FAILURE = 700


class CudaRuntime:
    """The functions of libcudart that sam3_ros calls; the one that `fails` names returns 700."""

    def __init__(self, fails: str = "", lazy: bool = False) -> None:
        self.fails = fails
        #: The functions called, in order, without cudaSetDevice.
        self.calls: list[str] = []
        #: The devices that cudaSetDevice has named.
        self.devices: list[int] = []
        #: Free and total bytes that cudaMemGetInfo tells.
        self.memory = (3 * 2**30, 8 * 2**30)
        self.cudaGetErrorName = _ErrorName()
        self._lazy = lazy
        self._waiting: list[Callable[[], object]] = []
        self._handles = 1000
        #: Per event, milliseconds at which it happened: 1.5 between two records.
        self._times: dict[int, float] = {}

    def _called(self, name: str) -> int:
        self.calls.append(name)
        return FAILURE if name == self.fails else 0

    def _new_handle(self, out: Any) -> int:
        self._handles += 1
        ctypes.cast(out, ctypes.POINTER(ctypes.c_void_p))[0] = self._handles
        return self._handles

    def cudaSetDevice(self, index: Any) -> int:  # noqa: N802
        self.devices.append(index.value)
        return FAILURE if self.fails == "cudaSetDevice" else 0

    def cudaStreamCreateWithFlags(self, stream: Any, flags: Any) -> int:  # noqa: N802
        assert flags.value == 1, "it does not wait for the default stream"
        self._new_handle(stream)
        return self._called("cudaStreamCreateWithFlags")

    def cudaMemcpyAsync(  # noqa: N802
        self, target: Any, source: Any, size: Any, kind: Any, stream: Any
    ) -> int:
        assert stream.value, "not on the default stream"
        where, nbytes = target.value, size.value
        if kind.value == 1:  # from the host: read when it is copied, CUDA promises no staging
            origin = source.value
            self._do(lambda: ctypes.memmove(where, origin, nbytes))
        else:
            assert kind.value == 3, "within the device"
            origin = source.value
            self._do(lambda: ctypes.memmove(where, origin, nbytes))
        return self._called("cudaMemcpyAsync")

    def cudaStreamSynchronize(self, stream: Any) -> int:  # noqa: N802
        assert stream.value, "not the default stream"
        while self._waiting:
            self._waiting.pop(0)()
        return self._called("cudaStreamSynchronize")

    def cudaEventCreate(self, event: Any) -> int:  # noqa: N802
        self._new_handle(event)
        return self._called("cudaEventCreate")

    def cudaEventRecord(self, event: Any, stream: Any) -> int:  # noqa: N802
        assert stream.value
        self._times[event.value] = 1.5 * len(self._times)
        return self._called("cudaEventRecord")

    def cudaEventSynchronize(self, event: Any) -> int:  # noqa: N802
        assert event.value in self._times, "recorded before"
        return self._called("cudaEventSynchronize")

    def cudaEventElapsedTime(self, elapsed: Any, first: Any, second: Any) -> int:  # noqa: N802
        between = self._times[second.value] - self._times[first.value]
        ctypes.cast(elapsed, ctypes.POINTER(ctypes.c_float))[0] = between
        return self._called("cudaEventElapsedTime")

    def cudaEventDestroy(self, event: Any) -> int:  # noqa: N802
        assert event.value
        return self._called("cudaEventDestroy")

    def cudaMemGetInfo(self, free: Any, total: Any) -> int:  # noqa: N802
        for out, value in zip((free, total), self.memory, strict=True):
            ctypes.cast(out, ctypes.POINTER(ctypes.c_size_t))[0] = value
        return self._called("cudaMemGetInfo")

    def _do(self, work: Callable[[], object]) -> None:
        if self._lazy:
            self._waiting.append(work)
        else:
            work()


class _ErrorName:
    """cudaGetErrorName, which ctypes has to be told the type of."""

    restype: Any = ctypes.c_int

    def __call__(self, status: int) -> bytes:
        assert self.restype is ctypes.c_char_p
        return b"cudaErrorIllegalAddress" if status == FAILURE else b"unrecognized"
