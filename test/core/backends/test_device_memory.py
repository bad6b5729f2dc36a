"""The memory of a device: what is given to its stream, what waits, and what cannot be copied."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from cuda_runtime import CudaRuntime
from device_sessions import StreamedOnHost

from sam3_ros.core.backends import device_memory as module
from sam3_ros.core.backends.device_memory import (
    CopiedCudaMemory,
    CudaMemory,
    HostMemory,
    OrtTensor,
    StreamedCudaMemory,
    device_memory,
)
from sam3_ros.core.backends.device_stream import DeviceStream
from sam3_ros.core.errors import InferenceError

FLOAT = np.dtype(np.float32)


class CopiedOnHost(CopiedCudaMemory):
    """A GPU's memory, in the host's."""

    kind = "cpu"


class UncopiedOnHost(CudaMemory):
    """The same without a CUDA runtime."""

    kind = "cpu"


def value(array: Any) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array, np.float32))


def copied(memory: HostMemory) -> Any:
    source, target = value([1, 2, 3]), memory.empty(onnxruntime, (3,), FLOAT)
    memory.copy(target, source.data_ptr(), 12)
    return source, target


def test_a_stream_copies_when_its_turn_comes() -> None:
    cuda = CudaRuntime(lazy=True)
    memory = StreamedOnHost(DeviceStream(0, cuda))
    target = memory.empty(onnxruntime, (3,), FLOAT)
    memory.upload(target, np.arange(3, dtype=np.float32))
    _source, copy = copied(memory)
    assert "cudaStreamSynchronize" not in cuda.calls
    memory.wait("both")
    assert target.numpy().tolist() == [0, 1, 2]
    assert copy.numpy().tolist() == [1, 2, 3]


def test_where_sessions_wait_a_copy_is_waited_for() -> None:
    cuda = CudaRuntime(lazy=True)
    memory = CopiedOnHost(DeviceStream(0, cuda))
    assert memory.stream is None
    target = memory.empty(onnxruntime, (3,), FLOAT)
    memory.upload(target, np.arange(3, dtype=np.float32))  # ONNX Runtime copies, and waits
    assert target.numpy().tolist() == [0, 1, 2]
    _source, copy = copied(memory)
    assert copy.numpy().tolist() == [1, 2, 3]
    assert cuda.calls[-2:] == ["cudaMemcpyAsync", "cudaStreamSynchronize"]


def test_the_hosts_memory_copies_at_once() -> None:
    _source, copy = copied(HostMemory())
    assert copy.numpy().tolist() == [1, 2, 3]


def test_reading_waits_and_says_what_could_not_be_computed() -> None:
    cuda = CudaRuntime()
    memory = StreamedOnHost(DeviceStream(0, cuda))
    tensor = OrtTensor(value([1, 2]), FLOAT, memory, "masks of segmentation.onnx", None)
    assert (tensor.device, tensor.nbytes, tensor.shape) == ("cpu:0", 8, (2,))
    assert tensor.numpy().tolist() == [1, 2]
    assert cuda.calls.count("cudaStreamSynchronize") == 1
    cuda.fails = "cudaStreamSynchronize"
    with pytest.raises(InferenceError, match=r"could not finish masks of segmentation.onnx"):
        tensor.numpy()


def test_reading_says_what_onnx_runtime_cannot_copy() -> None:
    def fail() -> None:
        raise RuntimeError("CUDA failure 700")

    broken = SimpleNamespace(shape=lambda: [2], numpy=fail)
    tensor = OrtTensor(broken, FLOAT, HostMemory(), "masks of segmentation.onnx", None)
    with pytest.raises(InferenceError, match=r"masks of segmentation.onnx cannot be.*failure 700"):
        tensor.numpy()


def test_a_block_is_copied_on_the_device() -> None:
    cuda = CudaRuntime()
    rows = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    tensor = OrtTensor(value(rows), FLOAT, StreamedOnHost(DeviceStream(0, cuda)), "rows", None)
    part = tensor.block(1, 2)
    assert isinstance(part, OrtTensor)
    assert cuda.calls == ["cudaStreamCreateWithFlags", "cudaMemcpyAsync"]
    np.testing.assert_array_equal(part.numpy(), rows[1:, :2])


def test_without_copies_a_block_comes_from_the_host() -> None:
    rows = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    part = OrtTensor(value(rows), FLOAT, UncopiedOnHost(0), "rows", None).block(0)
    np.testing.assert_array_equal(part, rows[:1])


def test_a_session_outside_the_stream_gets_a_tensor_that_is_ready() -> None:
    cuda = CudaRuntime()
    memory = StreamedOnHost(DeviceStream(0, cuda))
    tensor = OrtTensor(value([1]), FLOAT, memory, "pixels", None)
    assert tensor.ready_for(memory) is tensor.value
    assert "cudaStreamSynchronize" not in cuda.calls
    assert tensor.ready_for(CopiedOnHost(DeviceStream(0, cuda))) is tensor.value
    assert cuda.calls[-1] == "cudaStreamSynchronize"


WITH_INFOS = SimpleNamespace(InferenceSession=SimpleNamespace(get_input_memory_infos=None))
WITHOUT = SimpleNamespace(InferenceSession=SimpleNamespace(), __version__="1.20.2")


@pytest.mark.parametrize(
    ("ort", "takes_stream", "has_runtime", "expected"),
    [
        (WITH_INFOS, True, True, StreamedCudaMemory),
        (WITH_INFOS, False, True, CopiedCudaMemory),
        (WITHOUT, True, True, CopiedCudaMemory),
        (WITH_INFOS, True, False, CudaMemory),
    ],
)
def test_the_stream_is_shared_where_all_can_take_it(
    ort: object,
    takes_stream: bool,
    has_runtime: bool,
    expected: type[HostMemory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = DeviceStream(1, CudaRuntime()) if has_runtime else None
    monkeypatch.setattr(module, "device_stream", lambda _: stream)
    memory = device_memory("cuda", 1, ort, takes_stream)
    assert type(memory) is expected
    assert memory.device == "cuda:1"
    assert (memory.stream is stream) == (expected is StreamedCudaMemory or stream is None)
    assert type(device_memory("cpu", 0, ort, takes_stream)) is HostMemory


def test_an_onnx_runtime_that_waits_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream = DeviceStream(0, CudaRuntime())
    monkeypatch.setattr(module, "device_stream", lambda _: stream)
    module._warn_of_waiting.cache_clear()
    for _ in range(2):
        device_memory("cuda", 0, WITHOUT, True)
    (record,) = caplog.records
    assert "ONNX Runtime 1.20.2 does not say" in record.getMessage()
