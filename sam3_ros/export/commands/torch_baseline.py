"""The PyTorch model behind a bundle as a baseline for its sessions, in a process of its own.

On the CPU, or on the GPU where the bundle's stages run (torch_on_gpu.py).

PyTorch and an inference engine in one process would share threads and slow each other down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from sam3_ros.bench.baselines.paired import CallSeconds, time_call
from sam3_ros.bench.baselines.stage_chain import (
    ChainQuestion,
    Image,
    Optimisations,
    StageChain,
    run_by,
)
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.export.commands.torch_on_gpu import CudaDevice, StageTimes, TorchMode
from sam3_ros.export.network import Network
from sam3_ros.export.verification.torch_graph import torch_graph
from sam3_ros.export.weights.filled_network import rebuilt_network

BuildNetwork = Callable[[Manifest, "Path | None"], Network]
ON_CPU = TorchMode()

#: As in the model's own forward: only what is asked, but text and all masks on every frame.
_OPTIMISATIONS = Optimisations(necks_on_demand=True, asked_only=True)


@dataclass(frozen=True, eq=False)
class _Model:
    """The model in the child process."""

    chain: StageChain
    image: Image
    #: None on the CPU.
    times: StageTimes | None


# Set in the child process only.
_model: _Model | None = None


class TorchBaseline:
    """The model on one image."""

    name = "torch"
    fixed_cost = False

    def __init__(
        self,
        bundle: Bundle,
        checkpoint: Path | None,
        threads: int | None,
        image: Image,
        build: BuildNetwork = rebuilt_network,
        mode: TorchMode = ON_CPU,
    ) -> None:
        """Build the model in the child process.

        checkpoint: None for random weights. build: called in the child. Raises ExportError where
        the model cannot be built again, CheckpointError for a file that is not a checkpoint of it.
        On a GPU PyTorch's own exceptions come through as they are.
        """
        self.description = (
            f"the model of {bundle.manifest.name} in PyTorch {torch.__version__}, {mode}, "
            f"in a process of its own; every frame runs all stages that the question needs"
        )
        self._child = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        try:
            path = str(bundle.path)
            self._child.submit(_build, build, path, checkpoint, threads, image, mode).result()
        except BaseException:
            self.close()
            raise

    def time_answer(self, asked: str, question: ChainQuestion) -> CallSeconds:
        """Return the seconds of one answer, measured in the child."""
        return self._child.submit(_time_answer, asked, question).result()

    def answers(self, asked: str, question: ChainQuestion) -> list[Segment]:
        """Return the model's answer."""
        return self._child.submit(_answer, asked, question).result()

    def stage_ms(self) -> Mapping[str, float]:
        """Return the median ms of each stage on the GPU; nothing on the CPU."""
        return self._child.submit(_stage_ms).result()

    def close(self) -> None:
        """End the child process."""
        self._child.shutdown()


def _build(
    build: BuildNetwork,
    bundle_path: str,
    checkpoint: Path | None,
    threads: int | None,
    image: Image,
    mode: TorchMode,
) -> None:
    global _model
    if threads is not None:
        torch.set_num_threads(threads)
    bundle = Bundle.open(bundle_path)
    network = build(bundle.manifest, checkpoint)
    times = StageTimes(network, CudaDevice(mode.precision), mode) if mode.on_gpu else None
    graph = torch_graph(network) if times is None else times.graph
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    chain = StageChain(bundle.manifest, run_by(graph), tokenizer, _OPTIMISATIONS)
    _model = _Model(chain, image, times)


def _the_model() -> _Model:
    assert _model is not None  # the first job of the child
    return _model


def _answer(asked: str, question: ChainQuestion) -> list[Segment]:
    model = _the_model()
    return model.chain.answer(model.image, question, asked)


def _time_answer(asked: str, question: ChainQuestion) -> CallSeconds:
    times = _the_model().times
    if times is not None:
        times.forget_last_answer()
    spent = time_call(lambda: _answer(asked, question))
    if times is not None:
        times.keep_last_answer()
    return spent


def _stage_ms() -> dict[str, float]:
    times = _the_model().times
    return {} if times is None else times.medians()
