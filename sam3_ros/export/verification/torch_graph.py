"""A network in PyTorch behind the same seam as a session, so that the core's own code drives it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import Stage as NamedStage
from sam3_ros.core.stages.session import Array, TensorSpec
from sam3_ros.export.network import Network
from sam3_ros.export.stage import Stage


class TorchSession:
    """One stage, run by PyTorch on the CPU in the precision of its weights."""

    provider = "PyTorch"

    def __init__(self, stage: Stage) -> None:
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
        """As Session.run: every input by its name in, every output by its name out."""
        tensors = (torch.from_numpy(np.array(feeds[name])) for name in self.inputs)
        numbers = next(self._stage.parameters()).dtype
        with torch.inference_mode():
            results = self._stage(*(t.to(numbers) if t.is_floating_point() else t for t in tensors))
        return {
            name: tensor.numpy() for name, tensor in zip(self._stage.outputs, results, strict=True)
        }

    def close(self) -> None:
        """Nothing to free: the network belongs to the caller."""


def torch_graph(network: Network) -> StageGraph:
    """The network's stages as a StageGraph, names canonical on both sides."""
    stages = network.stages()
    named = [
        NamedStage(
            name,
            {tensor: tensor for tensor in stage.inputs},
            {tensor: tensor for tensor in stage.outputs},
        )
        for name, stage in stages.items()
    ]
    return StageGraph(named, lambda stage: TorchSession(stages[stage.name]))
