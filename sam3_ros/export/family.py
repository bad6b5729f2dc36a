"""What the exporter must know of a family of models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from sam3_ros.core.bundle.manifest import InteractiveSettings, Preprocessing
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.network import Network, Part

#: What a checkpoint says beside its tensors (checkpoint.contents.Checkpoint.notes).
Notes = Mapping[str, int | float | str]
#: The note that says how many tokens of text a model reads.
CONTEXT_NOTE = "text_context_length"
NO_NOTES: Notes = MappingProxyType({})


@dataclass(frozen=True)
class Unneeded:
    """Tensors of a checkpoint that no stage uses: a regular expression on whole names, and why.

    training_only: they are no part of the original model at work either, so that `slim` drops them.
    """

    pattern: str
    reason: str
    training_only: bool = False

    def covers(self, name: str) -> bool:
        """Whether this is said of the tensor of that name."""
        return re.fullmatch(self.pattern, name) is not None


@dataclass(frozen=True)
class Component:
    """A row of the component table: tensors whose name starts with `prefix` (longest wins).

    exported_as: stages or, where nothing is exported of it, "".
    """

    name: str
    prefix: str
    exported_as: str


class Architecture(Protocol):
    """A frozen dataclass with every size of one variant."""

    @property
    def variant(self) -> str:
        """For example "repvit-m0_9 + mobileclip-s1, context 77"."""


@dataclass(frozen=True)
class ModelSettings:
    """How images and clicks must be prepared. context_length: None where no text is read."""

    preprocessing: Preprocessing
    interactive: InteractiveSettings | None
    context_length: int | None


class Family(Protocol):
    """One entry of families.FAMILIES."""

    name: str
    title: str
    licence: str  # of the weights, goes into the manifest
    parts: tuple[Part, ...]
    variants: tuple[str, ...]  # what --random-weights can make; the first is the default
    components: tuple[Component, ...]
    unneeded: tuple[Unneeded, ...]

    def recognise(self, shapes: Shapes, notes: Notes = NO_NOTES) -> Architecture:
        """Every size from the checkpoint's own tensors, what they do not show from its notes.

        Raises CheckpointError: another family's file, or tensors that no known variant has.
        """

    def architecture(self, variant: str) -> Architecture:
        """The real sizes of a variant. Raises ExportError for a name that is not in `variants`."""

    def default_input_size(self, architecture: Architecture) -> int:
        """What the variant was trained at, px: the larger of some families take larger images."""

    def build(self, architecture: Architecture, input_size: int) -> Network:
        """The network, its weights not filled. Raises ExportError for an input size that this
        architecture cannot take, saying which it can."""

    def settings(self, architecture: Architecture, input_size: int) -> ModelSettings:
        """What the manifest says about preparing input."""


def component_of(name: str, components: Iterable[Component]) -> Component | None:
    """The component with the longest prefix of the tensor's name."""
    owners = [component for component in components if name.startswith(component.prefix)]
    return max(owners, key=lambda component: len(component.prefix), default=None)
