"""Runs that share one stream: what they give to it, what waits, and how often.

The stand-in for CUDA does at once what it is given, in the host's memory.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from cuda_runtime import CudaRuntime
from device_sessions import (
    PLAIN,
    REPLAYED,
    Devices,
    StreamedOnHost,
    compute_in_a_stream,
    doubler_file,
    on_device,
)

from sam3_ros.core.backends.device_memory import CopiedCudaMemory, HostMemory, StreamedCudaMemory
from sam3_ros.core.backends.device_stream import DeviceStream
from sam3_ros.core.backends.run_binding import RunBinding, read_on_the_host, run_options
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.session import SessionOptions

PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
PROMPTS = (ConceptPrompt("red cube"), InteractivePrompt(points=((390, 225),)))


@pytest.fixture
def cuda() -> CudaRuntime:
    return CudaRuntime()


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """Write the model out = 2 * in, f32[1,n,3]."""
    return doubler_file(tmp_path / "doubler.onnx")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, cuda: CudaRuntime) -> list[str]:
    """Record the runs among the calls of CUDA; return what each was told about waiting."""
    told: list[str] = []

    class Recorded(onnxruntime.InferenceSession):
        def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
            told.append(options.get_run_config_entry("disable_synchronize_execution_providers"))
            cuda.calls.append("run")
            super().run_with_iobinding(binding, options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Recorded)
    return told


COPY, WAIT = "cudaMemcpyAsync", "cudaStreamSynchronize"


@pytest.mark.parametrize(
    ("options", "first", "later"),
    [
        (PLAIN, [COPY, "run"], [COPY, "run"]),
        # Inputs into fixed buffers, outputs out of them.
        (REPLAYED, [COPY, "run", COPY], [COPY, "run", COPY]),
    ],
)
def test_runs_wait_only_where_something_is_read(
    options: SessionOptions,
    first: list[str],
    later: list[str],
    doubler: Path,
    runs: list[str],
    cuda: CudaRuntime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compute_in_a_stream(monkeypatch, cuda)
    session = on_device(doubler, options)
    cuda.calls.clear()
    value = np.ones((1, 4, 3), np.float32)
    results = session.run_on_device({"in": value})
    assert cuda.calls == first
    chained = session.run_on_device({"in": results["out"]})
    assert cuda.calls == first + [c for c in later if options is REPLAYED or c != COPY]
    np.testing.assert_array_equal(chained["out"].numpy(), 4 * value)
    assert cuda.calls.count(WAIT) == 1
    assert runs == ["1", "1"], "ONNX Runtime is told not to wait"


def test_a_frame_waits_as_often_as_the_host_reads(
    cuda: CudaRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Segmenter.load("tabletop", threads=1) as plain:
        expected = plain.ask(plain.encode_image(read_rgb(PICTURE)), PROMPTS)
    compute_in_a_stream(monkeypatch, cuda)
    devices = Devices()
    with Segmenter.load("tabletop", open_session=devices) as segmenter:
        found = segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS)
        assert cuda.calls.count(WAIT) == len(devices.traffic.to_host) > 0
    assert [each.score for each in found] == [each.score for each in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_an_empty_array_has_nothing_to_order(
    doubler: Path, cuda: CudaRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_in_a_stream(monkeypatch, cuda)
    session = on_device(doubler)
    results = session.run_on_device({"in": np.zeros((1, 0, 3), np.float32)})
    assert results["out"].shape == (1, 0, 3)
    assert COPY not in cuda.calls


def test_an_array_of_a_wrong_type_is_refused_as_without_a_stream(
    doubler: Path, cuda: CudaRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_in_a_stream(monkeypatch, cuda)
    with pytest.raises(Exception, match=r"float.*double|double.*float"):
        on_device(doubler).run_on_device({"in": np.zeros((1, 2, 3))})


@pytest.mark.parametrize("options", [PLAIN, REPLAYED])
def test_a_kept_array_serves_many_runs(
    options: SessionOptions, doubler: Path, cuda: CudaRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_in_a_stream(monkeypatch, cuda)
    session = on_device(doubler, options)
    array = np.arange(6).reshape(1, 3, 2).swapaxes(1, 2)  # int64, not contiguous
    kept = session.keep("in", array)
    assert (kept.dtype, kept.shape, kept.device) == (np.float32, (1, 2, 3), "cpu:0")
    assert cuda.calls.count(COPY) == 1
    for _ in range(3):
        np.testing.assert_array_equal(session.run_on_device({"in": kept})["out"].numpy(), 2 * array)
    if options is PLAIN:
        assert cuda.calls.count(COPY) == 1, "it was uploaded once"


def test_an_empty_array_is_kept_too(doubler: Path) -> None:
    assert on_device(doubler).keep("in", np.zeros((1, 0, 3))).numpy().shape == (1, 0, 3)


def test_closing_waits_for_what_still_runs(
    doubler: Path,
    cuda: CudaRuntime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compute_in_a_stream(monkeypatch, cuda)
    first, second = on_device(doubler), on_device(doubler)
    first.close()
    assert cuda.calls[-1] == WAIT
    cuda.fails = WAIT
    second.close()
    second.close()
    assert caplog.text.count("could not finish doubler.onnx, which is closed") == 1


def test_a_run_is_given_to_the_stream_as_a_whole(
    doubler: Path, cuda: CudaRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = compute_in_a_stream(monkeypatch, cuda)
    session = on_device(doubler)
    feeds = {"in": np.ones((1, 2, 3), np.float32)}
    with ThreadPoolExecutor(1) as another:
        with stream.lock:
            run = another.submit(session.run_on_device, feeds)
            assert wait([run], timeout=0.1).not_done, "this thread is giving its own work"
        np.testing.assert_array_equal(run.result()["out"].numpy(), 2 * feeds["in"])


def test_what_is_read_on_the_host_is_given_there(doubler: Path, cuda: CudaRuntime) -> None:
    memory = StreamedOnHost(DeviceStream(0, cuda))
    session = onnxruntime.InferenceSession(str(doubler))
    outputs = on_device(doubler).outputs
    kept = on_device(doubler).keep("in", np.ones((1, 2, 3)))
    binding = RunBinding(onnxruntime, outputs, memory, {"in"})
    for value in (np.ones((1, 2, 3), np.float32), kept):
        found = binding.run(session, {"in": value}, run_options(onnxruntime, memory))
        np.testing.assert_array_equal(found["out"].numpy(), 2 * np.ones((1, 2, 3)))
    assert COPY not in cuda.calls


def test_a_session_says_what_it_reads_on_the_host(cuda: CudaRuntime) -> None:
    names = [SimpleNamespace(name=name) for name in ("pixels", "size")]
    infos = [SimpleNamespace(name=name) for name in ("Cuda", "Cpu")]
    session = SimpleNamespace(get_inputs=lambda: names, get_input_memory_infos=lambda: infos)
    stream = DeviceStream(0, cuda)
    for on_gpu in (StreamedCudaMemory(stream), CopiedCudaMemory(stream)):
        assert read_on_the_host(session, on_gpu) == {"size"}
    assert read_on_the_host(session, HostMemory()) == frozenset()
    assert read_on_the_host(SimpleNamespace(), on_gpu) == frozenset(), "an older ONNX Runtime"


def test_a_graph_is_not_made_of_what_the_host_reads(
    doubler: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = iter([frozenset({"in"}), frozenset()])
    monkeypatch.setattr(
        "sam3_ros.core.backends.device_session.read_on_the_host", lambda *_: next(found)
    )
    session = on_device(doubler, REPLAYED)
    assert "a CUDA graph would keep the first value of in" in caplog.text
    for _ in range(3):
        session.run({"in": np.zeros((1, 2, 3), np.float32)})
    assert session.graphs == 0
