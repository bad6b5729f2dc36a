"""A model as a set of stages, for every family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from torch import nn

from sam3_ros.export.bindings import Binding, NameRules, bindings
from sam3_ros.export.stage import StageModule

Part = Literal["concept", "interactive", "video"]
PARTS: tuple[Part, ...] = ("concept", "interactive", "video")


class Network(nn.Module):
    """Stages by name, and which parts of the model need which."""

    def __init__(
        self, stages: Mapping[str, StageModule], needed_by: Mapping[str, tuple[Part, ...]]
    ) -> None:
        """Hold the stages.

        stages: in the order of computation. needed_by: stage name to the parts that use it.
        """
        super().__init__()
        if set(stages) != set(needed_by):
            raise ValueError(f"stages {sorted(stages)} but parts for {sorted(needed_by)}")
        self._stages = nn.ModuleDict(dict(stages))
        self._needed_by = dict(needed_by)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that this network has stages for."""
        return tuple(p for p in PARTS if any(p in needed for needed in self._needed_by.values()))

    def stages(self, parts: Iterable[Part] = PARTS) -> dict[str, StageModule]:
        """Return the stages that these parts need, by name, in the order of computation."""
        wanted = set(parts)
        return {
            name: stage  # type: ignore[misc]
            for name, stage in self._stages.items()
            if wanted.intersection(self._needed_by[name])
        }

    def bindings(self) -> list[Binding]:
        """Return the names of every parameter and buffer in the original's checkpoint."""
        return bindings(self._named())

    def _named(self) -> Iterator[tuple[str, NameRules, str]]:
        for name, stage in self._stages.items():
            for local in stage.state_dict(keep_vars=True):
                yield f"_stages.{name}.{local}", stage.original_names, local  # type: ignore[misc]
