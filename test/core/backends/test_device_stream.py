"""The stream of a GPU: what it orders, what waits, and which errors it tells."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import numpy as np
import pytest
from cuda_runtime import CudaRuntime

from sam3_ros.core.backends import device_stream as module
from sam3_ros.core.backends.device_stream import DeviceStream, device_stream, streams_in_use
from sam3_ros.core.errors import InferenceError


def test_copies_are_given_to_the_stream_and_only_the_wait_ends_them() -> None:
    cuda = CudaRuntime(lazy=True)
    stream = DeviceStream(2, cuda)
    first, second = np.zeros(4, np.float32), np.zeros(4, np.float32)
    stream.upload(first.ctypes.data, np.arange(4, dtype=np.float32))
    stream.copy(second.ctypes.data, first.ctypes.data, first.nbytes)
    assert not first.any() and not second.any(), "nothing has been waited for"
    stream.wait("the copies")
    np.testing.assert_array_equal(second, np.arange(4))
    assert cuda.calls == [
        "cudaStreamCreateWithFlags", "cudaMemcpyAsync", "cudaMemcpyAsync", "cudaStreamSynchronize",
    ]  # fmt: skip
    assert set(cuda.devices) == {2}, "every call is made for this GPU"


@pytest.mark.parametrize("size", [3, 300_000])
def test_an_array_may_change_as_soon_as_it_is_given(size: int) -> None:
    stream = DeviceStream(0, CudaRuntime(lazy=True))
    target, array = np.zeros(size, np.float32), np.ones(size, np.float32)
    stream.upload(target.ctypes.data, array)
    array[:] = 7
    stream.wait("it")
    np.testing.assert_array_equal(target, 1)


def test_what_is_empty_is_not_copied() -> None:
    cuda = CudaRuntime()
    stream = DeviceStream(0, cuda)
    stream.upload(0, np.zeros((1, 0, 4), np.float32))
    stream.copy(0, 0, 0)
    assert cuda.calls == ["cudaStreamCreateWithFlags"]


def test_its_address_is_what_cuda_made() -> None:
    assert DeviceStream(0, CudaRuntime()).address > 1000


def test_time_on_the_device_is_between_two_events() -> None:
    cuda = CudaRuntime()
    stream = DeviceStream(0, cuda)
    first, second = stream.record(), stream.record()
    assert stream.milliseconds_between(first, second) == 1.5
    del first, second
    gc.collect()
    assert cuda.calls.count("cudaEventDestroy") == 2


@pytest.mark.parametrize(
    ("fails", "purpose"),
    [
        ("cudaSetDevice", "copy within it"),
        ("cudaMemcpyAsync", "copy within it"),
        ("cudaStreamSynchronize", "finish masks of segmentation.onnx, or what was started before"),
    ],
)
def test_what_fails_is_named(fails: str, purpose: str) -> None:
    cuda = CudaRuntime()
    stream = DeviceStream(1, cuda)
    cuda.fails = fails
    value = np.zeros(1, np.float32)
    with pytest.raises(
        InferenceError, match=rf"GPU 1 could not {purpose}.*{fails} .*700, cudaErrorIllegalAddress"
    ):
        stream.copy(value.ctypes.data, value.ctypes.data, 4)
        stream.wait("masks of segmentation.onnx")


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no stream have been made."""
    monkeypatch.setattr(module, "_made", [])
    module._device_stream.cache_clear()
    yield
    module._device_stream.cache_clear()


@pytest.mark.usefixtures("another_process")
def test_a_process_has_one_stream_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "loaded_cuda_runtime", lambda _: CudaRuntime())
    assert device_stream(0) is device_stream(0)
    assert device_stream(1) is not device_stream(0)
    assert streams_in_use() == (device_stream(0), device_stream(1))


@pytest.mark.usefixtures("another_process")
@pytest.mark.parametrize("library", [None, CudaRuntime(fails="cudaStreamCreateWithFlags")])
def test_without_a_cuda_runtime_there_is_no_stream_and_one_warning(
    library: CudaRuntime | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if library is not None:
        monkeypatch.setattr(module, "loaded_cuda_runtime", lambda _: library)
    else:
        monkeypatch.setattr(module, "cuda_runtime_name", lambda: "libcudart.so.0")
    assert (device_stream(0), device_stream(0)) == (None, None)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "every stage on GPU 0 waits for its end by itself: " in record.getMessage()
    assert streams_in_use() == ()
