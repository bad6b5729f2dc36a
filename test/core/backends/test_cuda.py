"""On a real GPU: the same answers as the CPU, tensors that stay there, graphs, and memory.

Skipped where there is no NVIDIA GPU, and for a provider that starts no session here. Everything
that can be tested without a GPU is in test_device_session.py, test_cuda_graphs.py and
test_providers.py.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends.device_stream import streams_in_use
from sam3_ros.core.backends.gpu_libraries import load_gpu_libraries
from sam3_ros.core.backends.plugin_provider import plugin_device
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.backends.tf32 import BY_ITSELF
from sam3_ros.core.errors import BackendError
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.repair import judge_precision
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import on_host

DEVICES = [Path("/dev/nvidiactl"), Path("/dev/nvhost-gpu"), Path("/dev/nvgpu")]  # PC, Jetson
PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
PROMPTS: tuple[Prompt, ...] = (
    ConceptPrompt("red cube"),
    InteractivePrompt(points=((390, 225),)),
    ConceptPrompt("mug", exemplars=(Box(356, 196, 422, 259),)),
)
LEAST_IOU = 0.999
SAME_SCORE = 2e-3
MEBIBYTE = 2**20


@pytest.fixture(scope="module", params=["cuda", "tensorrt", "tensorrt_rtx"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = str(request.param)
    if not any(device.exists() for device in DEVICES):
        pytest.skip("this machine has no NVIDIA GPU")
    if PROVIDERS[name].plugin is not None:
        try:
            plugin_device(onnxruntime, PROVIDERS[name], 0)
        except BackendError as error:
            pytest.skip(str(error))
    elif reason := why_not(PROVIDERS[name].name, tmp_path_factory.mktemp("probe")):
        pytest.skip(reason)
    return name


def why_not(provider: str, folder: Path) -> str:
    """Return why a provider starts no session here; empty if it does.

    Opens a session of one node. The list of available providers is not enough: onnxruntime-gpu
    lists TensorRT's also where its libraries are missing, and then runs on another provider.
    """
    if provider not in onnxruntime.get_available_providers():
        return f"this ONNX Runtime has no {provider}"
    g = OnnxGraph("probe")
    g.output(g.scaled(g.input("x", np.float32, (1,)), 2.0), "y", np.float32, (1,))
    path = str(g.save(folder / "probe.onnx"))
    load_gpu_libraries(onnxruntime)
    try:
        session = onnxruntime.InferenceSession(path, providers=[provider], enable_fallback=0)
    except Exception as error:
        return f"{provider} starts no session here: {' '.join(str(error).split())[:200]}"
    running = session.get_providers()[0]
    return "" if running == provider else f"{provider} does not start here: it runs on {running}"


class Elsewhere:
    """A session that came up on the CPU."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def failing(*_: object, **__: object) -> None:
    raise RuntimeError("libnvinfer.so.10: cannot open shared object file")


@pytest.mark.parametrize(
    ("made", "reason"), [(Elsewhere, "it runs on CPUExecutionProvider"), (failing, "libnvinfer")]
)
def test_a_provider_that_is_listed_and_does_not_start_is_skipped_with_the_reason(
    made: object, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    assert why_not("CPUExecutionProvider", tmp_path) == ""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(onnxruntime, "InferenceSession", made)
    assert reason in why_not("TensorrtExecutionProvider", tmp_path)
    assert "has no CUDAExecutionProvider" in why_not("CUDAExecutionProvider", tmp_path)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for engines, so that they are built once for all tests."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def expected() -> list[Segment]:
    with Segmenter.load("tabletop") as segmenter:
        return segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS)


@pytest.fixture(params=[False, True], ids=["launched", "graphs"])
def segmenter(request: pytest.FixtureRequest, backend: str, engines: Path) -> Iterator[Segmenter]:
    graphs = bool(request.param)
    with load(backend, engines, graphs) as opened:
        yield opened


def load(backend: str, engines: Path, graphs: bool) -> Segmenter:
    # TensorRT computes fp32 in TF32, unless the environment forbids that.
    precision = "tf32" if backend in BY_ITSELF else "fp32"
    return Segmenter.load("tabletop", backend, precision, engine_cache=engines, cuda_graphs=graphs)


def assert_close(found: list[Segment], expected: list[Segment]) -> None:
    assert len(found) == len(expected) > 1
    for one, other in zip(found, expected, strict=True):
        assert one.prompt_id == other.prompt_id
        assert abs(one.score - other.score) < SAME_SCORE
        overlap = np.count_nonzero(one.mask & other.mask)
        assert overlap / np.count_nonzero(one.mask | other.mask) > LEAST_IOU


def test_it_answers_as_the_cpu_does(segmenter: Segmenter, expected: list[Segment]) -> None:
    for _ in range(4):  # graphs are captured in the second run and replayed from the third
        embedding = segmenter.encode_image(read_rgb(PICTURE))
        assert_close(segmenter.ask(embedding, PROMPTS), expected)


def test_features_stay_on_the_gpu(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(read_rgb(PICTURE))
    segmenter.ask(embedding, PROMPTS)
    assert embedding.device_nbytes > MEBIBYTE
    trunk = segmenter.graph.compute_in_place(
        ["fpn2"], {"pixel_values": np.zeros((1, 3, 240, 320), np.float32)}
    )
    assert {getattr(value, "device", "host") for value in trunk.values()} == {"cuda:0"}


def test_a_kept_image_is_not_written_again_by_later_ones(
    segmenter: Segmenter, expected: list[Segment]
) -> None:
    picture = read_rgb(PICTURE)
    kept = segmenter.encode_image(picture)
    segmenter.ask(kept, PROMPTS)
    for shift in range(1, 5):
        other = segmenter.encode_image(np.roll(picture, 100 * shift, axis=1))
        segmenter.ask(other, PROMPTS)
    assert_close(segmenter.ask(kept, PROMPTS), expected)


@pytest.mark.parametrize("graphs", [False, True])
def test_closing_frees_what_it_took(backend: str, engines: Path, graphs: bool) -> None:
    free = [
        free_after_one_use(backend, engines, graphs) for _ in range(3)
    ]  # the first leaves the context and libraries there
    assert free[2] > free[1] - 16 * MEBIBYTE


def free_after_one_use(backend: str, engines: Path, graphs: bool) -> int:
    """Return the free bytes of GPU memory after a segmenter was used and closed."""
    loaded = load(backend, engines, graphs)
    with loaded as segmenter:
        segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS)
    del segmenter, loaded
    gc.collect()
    (stream,) = streams_in_use()
    memory = stream.card_memory()
    assert memory is not None
    return memory.free


def test_all_sessions_compute_in_one_stream(segmenter: Segmenter) -> None:
    (stream,) = streams_in_use()
    pixels = {"pixel_values": np.zeros((1, 3, 240, 320), np.float32)}
    segmenter.graph.compute(["fpn2"], pixels)
    begun = stream.record()
    segmenter.graph.compute_in_place(["fpn2"], pixels)
    assert stream.milliseconds_between(begun, stream.record()) > 0.1, "the stages ran in between"


def test_answers_are_the_same_however_often_the_host_reads(segmenter: Segmenter) -> None:
    """Compute without a wait in between, with memory that is freed and taken again meanwhile."""
    draws = np.random.default_rng(0)
    images = [draws.normal(size=(1, 3, 240, 320)).astype(np.float32) for _ in range(8)]
    graph = segmenter.graph
    read = [graph.compute(["fpn2"], {"pixel_values": each})["fpn2"] for each in images]
    unread = [graph.compute_in_place(["fpn2"], {"pixel_values": each}) for each in images]
    for one, other in zip(read, unread, strict=True):
        np.testing.assert_allclose(on_host(other["fpn2"]), one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_the_guard_passes_each_precision(backend: str, precision: str) -> None:
    if backend in BY_ITSELF and precision == "fp32":
        pytest.skip("TensorRT computes fp32 in TF32, unless the environment forbids that")
    with Segmenter.load("tabletop", backend, precision) as segmenter:
        verdict = judge_precision(segmenter)
    assert verdict.passed, str(verdict)
