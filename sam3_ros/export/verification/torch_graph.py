"""A PyTorch network behind the seam of sessions, and its stages observed at work.

So the core's own code drives the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.session import Array, TensorSpec
from sam3_ros.export.network import Network
from sam3_ros.export.stage import StageModule
from sam3_ros.export.verification.stages import StageCase

#: Runs kept of each stage; the tensors of a full-size model take tens of megabytes each.
KEPT = 2


class TorchSession:
    """One stage, run by PyTorch on the CPU in the precision of its weights."""

    provider = "PyTorch"

    def __init__(self, stage: StageModule) -> None:
        self._stage = stage.eval()
        example = stage.examples(dict.fromkeys(stage.lengths(), 2), seed=0)
        self.inputs = MappingProxyType(
            {
                name: TensorSpec(name, np.dtype(str(tensor.dtype).removeprefix("torch.")), shape)
                for (name, tensor), shape in zip(
                    example.items(), (t.shape for t in stage.inputs.values()), strict=True
                )
            }
        )
        # An empty shape leaves the rank open, as ONNX Runtime's sessions do.
        self.outputs = MappingProxyType(
            {name: TensorSpec(name, np.dtype(np.float32), ()) for name in stage.outputs}
        )

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Compute every output by its name from every input by its name, as Session.run."""
        tensors = (torch.from_numpy(np.array(feeds[name])) for name in self.inputs)
        numbers = next(self._stage.parameters()).dtype
        with torch.inference_mode():
            results = self._stage(*(t.to(numbers) if t.is_floating_point() else t for t in tensors))
        return {
            name: tensor.numpy() for name, tensor in zip(self._stage.outputs, results, strict=True)
        }

    def close(self) -> None:
        """Do nothing: the network belongs to the caller."""


def torch_graph(network: Network) -> StageGraph:
    """Return the network's stages as a StageGraph, with canonical names on both sides."""
    stages = network.stages()
    return StageGraph(stage_specs(stages), lambda stage: TorchSession(stages[stage.name]))


def stage_specs(stages: Mapping[str, StageModule]) -> list[StageSpec]:
    """Return the stages by their tensors, with canonical names on both sides."""
    return [
        StageSpec(
            name,
            {tensor: tensor for tensor in stage.inputs},
            {tensor: tensor for tensor in stage.outputs},
        )
        for name, stage in stages.items()
    ]


@contextmanager
def observe_stages(stages: Mapping[str, StageModule]) -> Iterator[dict[str, list[StageCase]]]:
    """Keep the first and the latest run of each stage in PyTorch while open."""
    cases: dict[str, list[StageCase]] = {name: [] for name in stages}
    with ExitStack() as hooks:
        for name, stage in stages.items():
            handle = stage.register_forward_hook(_keeping(stage, cases[name]))
            hooks.callback(handle.remove)
        yield cases


def _keeping(stage: StageModule, cases: list[StageCase]) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        del cases[KEPT - 1 :]
        cases.append(
            StageCase(
                "the first real input" if not cases else "the last real input",
                {name: t.numpy() for name, t in zip(stage.inputs, inputs, strict=True)},
                {name: t.numpy() for name, t in zip(stage.outputs, outputs, strict=True)},
            )
        )

    return keep
