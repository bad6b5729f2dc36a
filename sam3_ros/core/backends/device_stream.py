"""One CUDA stream for all that a process does on a GPU, and the one wait for its results.

Work of one stream runs in the order in which it was given. So a session may start before another
has finished, and a buffer may be written again while a kernel still reads it: the kernel comes
first. The host waits only where it reads something. docs/gpu.md says why each copy is safe.
"""

from __future__ import annotations

import ctypes
import logging
import weakref
from dataclasses import dataclass
from functools import cache
from threading import Lock, RLock
from typing import Any

from sam3_ros.core.backends.gpu_libraries import cuda_runtime_name, loaded_cuda_runtime
from sam3_ros.core.errors import BackendError, InferenceError
from sam3_ros.core.stages.session import Array

log = logging.getLogger(__name__)

_NON_BLOCKING = 1  # cudaStreamNonBlocking: it does not wait for the default stream
_HOST_TO_DEVICE, _DEVICE_TO_DEVICE = 1, 3  # cudaMemcpyKind

# Of an upload: up to it, a copy costs less than a wait. Only images and pixel values are larger,
# and they come when the GPU is idle.
_COPIED_BYTES = 2**20

_made: list[DeviceStream] = []
_making = Lock()


@dataclass(frozen=True)
class CardMemory:
    """Bytes of a GPU's memory, whoever uses it; a Jetson's is that of the CPU too."""

    free: int
    total: int


class DeviceEvent:
    """A point in a stream's work; see DeviceStream.record."""

    def __init__(self, handle: Any, destroy: Any) -> None:
        """destroy: called with the handle when the event is no longer used."""
        self.handle = handle
        weakref.finalize(self, destroy, handle).atexit = False


class DeviceStream:
    """A CUDA stream of one GPU. It lasts as long as the process: sessions hold its address."""

    def __init__(self, index: int, runtime: Any) -> None:
        """runtime: the CUDA runtime library, as loaded_cuda_runtime returns it.

        Raises InferenceError where CUDA makes no stream.
        """
        self.index = index
        #: Held while something is given to the stream. A session that captures a CUDA graph would
        #: take the work of another thread into it; waiting or taking memory meanwhile ends the
        #: capture.
        self.lock = RLock()
        self._cuda = runtime
        self._read_by_cuda: list[Array] = []
        self._stream = ctypes.c_void_p()
        self._call(
            "make a stream",
            "cudaStreamCreateWithFlags",
            ctypes.byref(self._stream),
            ctypes.c_uint(_NON_BLOCKING),
        )

    @property
    def address(self) -> int:
        """The cudaStream_t as a number, which ONNX Runtime takes as a decimal string."""
        return self._stream.value or 0

    def upload(self, target: int, array: Array) -> None:
        """Copy a contiguous array to an address on the GPU, after all work given so far.

        The array may be changed or freed as soon as this returns. CUDA may still be reading what it
        was given (CUDA Runtime API, "API synchronization behavior": it does not promise to stage
        memory that is not pinned). So a large array is waited for, and of a small one it gets a
        copy that lives until the next wait.
        """
        is_large = array.nbytes > _COPIED_BYTES
        source = array if is_large else array.copy()
        with self.lock:
            address = ctypes.c_void_p(source.ctypes.data)
            self._copy("copy to it", target, address, source.nbytes, _HOST_TO_DEVICE)
            if is_large:
                self.wait("an upload")
            elif source.nbytes:
                self._read_by_cuda.append(source)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copy within the GPU, after all work given so far."""
        self._copy("copy within it", target, ctypes.c_void_p(source), nbytes, _DEVICE_TO_DEVICE)

    def wait(self, what: str) -> None:
        """Wait until all work given so far is done.

        what: what the caller is about to use, for the error. Raises InferenceError where any of
        that work has failed: CUDA tells only now, and not which.
        """
        with self.lock:
            self._call(
                f"finish {what}, or what was started before it",
                "cudaStreamSynchronize",
                self._stream,
            )
            self._read_by_cuda.clear()

    def card_memory(self) -> CardMemory | None:
        """Return the memory of the card; None while the stream is in use, or where CUDA fails."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        if not self.lock.acquire(blocking=False):
            return None
        try:
            self._call("tell its memory", "cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        except InferenceError:
            return None
        finally:
            self.lock.release()
        return CardMemory(free.value, total.value)

    def record(self) -> DeviceEvent:
        """Return an event that happens when all work given so far is done."""
        event = ctypes.c_void_p()
        with self.lock:
            self._call("make an event", "cudaEventCreate", ctypes.byref(event))
            made = DeviceEvent(event, self._cuda.cudaEventDestroy)
            self._call("record an event", "cudaEventRecord", event, self._stream)
        return made

    def milliseconds_between(self, first: DeviceEvent, second: DeviceEvent) -> float:
        """Wait for both events; return the time on the GPU from the first to the second."""
        elapsed = ctypes.c_float()
        with self.lock:
            self._call("finish what was timed", "cudaEventSynchronize", second.handle)
            self._call(
                "measure a time",
                "cudaEventElapsedTime",
                ctypes.byref(elapsed),
                first.handle,
                second.handle,
            )
        return elapsed.value

    def _copy(self, purpose: str, target: int, source: Any, nbytes: int, kind: int) -> None:
        if not nbytes:
            return
        with self.lock:
            self._call(
                purpose,
                "cudaMemcpyAsync",
                ctypes.c_void_p(target),
                source,
                ctypes.c_size_t(nbytes),
                ctypes.c_int(kind),
                self._stream,
            )

    def _call(self, purpose: str, function: str, *arguments: Any) -> None:
        """Call the CUDA runtime for this GPU. Raises InferenceError where it fails."""
        for name, given in (("cudaSetDevice", (ctypes.c_int(self.index),)), (function, arguments)):
            status = getattr(self._cuda, name)(*given)
            if status:
                raise InferenceError(
                    f"GPU {self.index} could not {purpose}: {name} returned {status}, "
                    f"{_error_name(self._cuda, status)}"
                )


def device_stream(index: int) -> DeviceStream | None:
    """Return the stream of this process on a GPU; None, with one warning, where CUDA has none.

    Call it once NVIDIA's libraries are loaded (gpu_libraries.load_gpu_libraries).
    """
    with _making:  # two threads would each make one
        return _device_stream(index)


@cache
def _device_stream(index: int) -> DeviceStream | None:
    try:
        stream = DeviceStream(index, loaded_cuda_runtime(cuda_runtime_name()))
    except (BackendError, InferenceError) as error:
        log.warning("every stage on GPU %d waits for its end by itself: %s", index, error)
        return None
    _made.append(stream)
    return stream


def streams_in_use() -> tuple[DeviceStream, ...]:
    """Return the streams of this process, one for each GPU that a model was loaded on."""
    return tuple(_made)


def _error_name(runtime: Any, status: int) -> str:
    name = runtime.cudaGetErrorName
    name.restype = ctypes.c_char_p
    return (name(status) or b"unknown").decode()
