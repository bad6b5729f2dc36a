"""On a real GPU: the same answers as the CPU, tensors that stay there, graphs, and memory.

Skipped where there is no NVIDIA GPU, and for a provider that starts no session here. Everything
that can be tested without a GPU is in test_device_session.py, test_cuda_graphs.py and
test_providers.py.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends.gpu_libraries import (
    cuda_runtime_name,
    load_gpu_libraries,
    loaded_cuda_runtime,
)
from sam3_ros.core.backends.providers import PROVIDERS
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

DEVICES = [Path("/dev/nvidiactl"), Path("/dev/nvhost-gpu"), Path("/dev/nvgpu")]  # PC, Jetson
PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
PROMPTS: tuple[Prompt, ...] = (
    ConceptPrompt("red cube"),
    InteractivePrompt(points=((320, 240),)),
    ConceptPrompt("mug", exemplars=(Box(300, 200, 380, 260),)),
)
LEAST_IOU = 0.999
SAME_SCORE = 2e-3
MEBIBYTE = 2**20


@pytest.fixture(scope="module", params=["cuda", "tensorrt"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = str(request.param)
    if not any(device.exists() for device in DEVICES):
        pytest.skip("this machine has no NVIDIA GPU")
    if reason := why_not(PROVIDERS[name].name, tmp_path_factory.mktemp("probe")):
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
    loaded = Segmenter.load("tabletop", backend, engine_cache=engines, cuda_graphs=graphs)
    with loaded as opened:
        yield opened


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
    loaded = Segmenter.load("tabletop", backend, engine_cache=engines, cuda_graphs=graphs)
    with loaded as segmenter:
        segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS)
    del segmenter, loaded
    gc.collect()
    cuda = loaded_cuda_runtime(cuda_runtime_name())
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert cuda.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0
    return free.value
