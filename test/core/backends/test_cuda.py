"""On a real GPU: the same answers as the CPU, tensors that stay there, graphs, and memory.

Skipped where there is no NVIDIA GPU, or none that this ONNX Runtime can use. Everything that can be
tested without one is in test_device_session.py and test_gpu_options.py.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from sam3_ros.core.backends.gpu_libraries import cuda_runtime_name, loaded_cuda_runtime
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

DEVICES = [Path("/dev/nvidiactl"), Path("/dev/nvhost-gpu"), Path("/dev/nvgpu")]  # PC, Jetson
PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
PROMPTS: tuple[Prompt, ...] = (
    ConceptPrompt("red cube"),
    InteractivePrompt(points=((320, 240),)),
    ConceptPrompt("mug", exemplars=(Box(300, 200, 380, 260),)),
)
LEAST_IOU = 0.999
SAME_SCORE = 2e-3
MEBIBYTE = 2**20

pytestmark = pytest.mark.skipif(
    not any(device.exists() for device in DEVICES), reason="this machine has no NVIDIA GPU"
)


@pytest.fixture(params=["cuda", "tensorrt"])
def backend(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if PROVIDERS[name] not in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has no {PROVIDERS[name]}")
    return name


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines are built once for all tests."""
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
    """Bytes of the GPU that are free when a segmenter has been used and closed."""
    loaded = Segmenter.load("tabletop", backend, engine_cache=engines, cuda_graphs=graphs)
    with loaded as segmenter:
        segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), PROMPTS)
    del segmenter, loaded
    gc.collect()
    cuda = loaded_cuda_runtime(cuda_runtime_name())
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert cuda.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0
    return free.value
