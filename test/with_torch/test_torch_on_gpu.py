"""PyTorch's stages as they run on a GPU, on a stand-in for the device in the host's memory."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from scenes import colour_scene
from small_clicker import FAMILY, small_clicker_of

from sam3_ros.bench.baselines.stage_chain import ChainQuestion, Optimisations, StageChain, run_by
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import Workload
from sam3_ros.bench.setup import Setup
from sam3_ros.cli.bench.against import compare_with_baseline
from sam3_ros.cli.main import main
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.export.commands.torch_on_gpu import StageTimes, Tensors, TorchMode, TorchTensor
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.verification.torch_graph import torch_graph

SCENE = colour_scene(60, 80, {"red": (20, 10, 60, 50)})
CLICK = ChainQuestion(click=InteractivePrompt(points=((40.0, 30.0),)))


class HostDevice:
    """The CPU in place of a GPU: a "graph" computes again and writes to the same tensors."""

    name = "cpu"

    def __init__(self) -> None:
        self.captures = 0
        self.refuses = False
        self._events = 0

    def autocast(self, enabled: bool) -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16, enabled=enabled)

    def record(self) -> int:
        self._events += 1
        return self._events

    def milliseconds_between(self, first: int, second: int) -> float:
        return 1.5 * (second - first)

    def captured(self, run: Callable[[], Tensors]) -> tuple[Callable[[], object], Tensors]:
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.captures += 1
        outputs = run()

        def replay() -> None:
            with torch.inference_mode():
                for kept, new in zip(outputs, run(), strict=True):
                    kept.copy_(new)

        return replay, outputs


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    target = tmp_path_factory.mktemp("torch_on_gpu") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, FAMILY.name, FAMILY)
        seed = ("--random-weights", "1", "--precision", "fp32", "--out", str(target))
        assert main(["export", FAMILY.name, *seed]) == 0
    return Bundle.open(target)


def clicked(bundle: Bundle, graph: StageGraph) -> Segment:
    chain = StageChain(bundle.manifest, run_by(graph), None, Optimisations(True, True))
    (segment,) = chain.answer(SCENE, CLICK, "click")
    return segment


@pytest.mark.parametrize("graphs", [False, True])
def test_its_stages_answer_as_on_the_cpu_and_are_timed(bundle: Bundle, graphs: bool) -> None:
    device, mode = HostDevice(), TorchMode("fp32", True, graphs)
    times = StageTimes(small_clicker_of(bundle.manifest, None), device, mode)
    expected = clicked(bundle, torch_graph(small_clicker_of(bundle.manifest, None)))
    for _ in range(3):
        times.forget_last_answer()
        found = clicked(bundle, times.graph)
        times.keep_last_answer()

    assert np.array_equal(found.mask, expected.mask)
    assert found.score == pytest.approx(expected.score, abs=1e-5)
    medians = times.medians()
    assert {*medians} <= {*bundle.manifest.stages_in_use}
    assert {*medians.values()} == {1.5}
    assert device.captures == (len(medians) if graphs else 0)


def test_in_half_precision_the_next_stage_reads_what_was_computed(bundle: Bundle) -> None:
    mode = TorchMode("fp16", True)
    times = StageTimes(small_clicker_of(bundle.manifest, None), HostDevice(), mode)
    expected = clicked(bundle, torch_graph(small_clicker_of(bundle.manifest, None)))
    found = clicked(bundle, times.graph)

    assert np.mean(found.mask == expected.mask) > 0.95


def test_a_stage_that_cannot_be_captured_is_named(bundle: Bundle) -> None:
    device, mode = HostDevice(), TorchMode("fp16", True, cuda_graphs=True)
    device.refuses = True
    times = StageTimes(small_clicker_of(bundle.manifest, None), device, mode)

    with pytest.raises(InferenceError, match=r"cannot capture stage '\w+' as a CUDA graph"):
        clicked(bundle, times.graph)


def test_a_tensor_is_read_in_single_precision() -> None:
    tensor = TorchTensor(torch.ones(2, 3, dtype=torch.float16), "torch cuda")

    assert (tensor.dtype, tensor.numpy().dtype, tensor.nbytes) == (np.float32, np.float32, 12)
    assert tensor.block(1, 2).shape == (1, 2)
    assert TorchTensor(torch.ones(1, dtype=torch.bool), "").dtype == np.bool_


def test_a_mode_that_fails_on_a_gpu_has_its_reason_and_the_other_is_tried(bundle: Bundle) -> None:
    """Neither finds a GPU here, or a family of this name in the process of its own."""
    options = Namespace(against="torch", checkpoint=None, rival_bundle=None)
    setup = Setup(str(bundle.path), StageChoice("cuda", "fp16"), threads=1)
    with Segmenter.load(bundle, threads=1) as segmenter:
        workload = Workload(SCENE, "red")
        found = compare_with_baseline(options, setup, segmenter, workload, Budget(1))

    assert [each["description"] for each in found] == [
        "fp16 by autocast on the GPU, each stage replayed from a CUDA graph",
        "fp16 by autocast on the GPU, no CUDA graphs",
    ]
    assert all(each["failed"] for each in found)
