"""A stage: the piece of a model that becomes one ONNX file, with its contract as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.folding import with_folded_parts

#: Makes a plausible tensor of a shape (fills.py).
Fill = Callable[[tuple[int, ...], torch.Generator], Tensor]


@dataclass(frozen=True)
class TensorInput:
    """An input of a stage."""

    #: A string in place of a length is an axis that may grow at run time, for example ("prompts",
    #: "tokens", 256).
    shape: tuple[int | str, ...]
    #: Makes a tensor on the scale that the stage meets in use.
    fill: Fill

    @property
    def growing(self) -> dict[int, str]:
        """Axis index to the name of its length, for the axes that may grow."""
        return {axis: size for axis, size in enumerate(self.shape) if isinstance(size, str)}

    def example(self, lengths: Mapping[str, int], generator: torch.Generator) -> Tensor:
        """Return a tensor with the growing axes at the given lengths."""
        shape = tuple(lengths[size] if isinstance(size, str) else size for size in self.shape)
        return self.fill(shape, generator)


class StageModule(nn.Module):
    """Base class of every stage.

    `forward` takes the tensors of `inputs`, by position in that order, and returns a tuple with
    those of `outputs`. Names are canonical (sam3_ros.core.stages.tensor_names).
    """

    #: Canonical output names, in the order of the returned tuple.
    outputs: ClassVar[tuple[str, ...]]
    #: From this stage's parameter and buffer names to the names in the original's checkpoint.
    original_names: NameRules

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        """The contract; a property because shapes follow the model's sizes."""
        raise NotImplementedError

    def folded(self) -> StageModule:
        """Return the module to export: the same contract and numbers, from the current weights.

        It does less work where weights can be multiplied with each other beforehand, as those of a
        convolution and its batch norm; otherwise it is this stage. The stage itself keeps the
        weights as the checkpoint has them, and verifies what was exported.
        """
        return with_folded_parts(self)

    #: Shortest length that an axis must be able to take; 1 where it is not named here.
    shortest: ClassVar[Mapping[str, int]] = {}

    def lengths(self) -> tuple[str, ...]:
        """Return the names of the lengths that may grow, without repetition."""
        found = [name for tensor in self.inputs.values() for name in tensor.growing.values()]
        return tuple(dict.fromkeys(found))

    def examples(self, lengths: Mapping[str, int], seed: int) -> dict[str, Tensor]:
        """Return plausible inputs by canonical name, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        return {name: tensor.example(lengths, generator) for name, tensor in self.inputs.items()}
