"""What the exporter needs to know of a family of models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from sam3_ros.core.bundle.manifest import InteractiveSettings, Preprocessing, VideoSettings
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.network import Network, Part

#: What a checkpoint says beside its tensors (Checkpoint.notes).
Notes = Mapping[str, int | float | str]
#: The note with the number of text tokens that a model reads.
CONTEXT_NOTE = "text_context_length"
NO_NOTES: Notes = MappingProxyType({})


@dataclass(frozen=True)
class Unneeded:
    """Tensors of a checkpoint that no stage uses."""

    #: A regular expression on whole names.
    pattern: str
    #: Why no stage uses them.
    reason: str
    #: The original model does not use them for inference either, so `slim` drops them.
    training_only: bool = False
    #: Only in a checkpoint none of whose names begins so.
    without: str | None = None

    def applies(self, shapes: Shapes) -> bool:
        """Return whether it says something about a checkpoint with these tensors."""
        return self.without is None or not any(name.startswith(self.without) for name in shapes)

    def covers(self, name: str) -> bool:
        """Return whether the tensor of that name is one of them."""
        return re.fullmatch(self.pattern, name) is not None


@dataclass(frozen=True)
class Component:
    """A row of the component table: tensors whose name starts with a prefix."""

    #: For a reader; "a / b" is part b of component a.
    name: str
    #: Of names in the checkpoint; the longest match wins.
    prefix: str
    #: Names of stages, or "" where nothing of it is exported.
    exported_as: str


def unneeded_in(shapes: Shapes, unneeded: Iterable[Unneeded]) -> tuple[Unneeded, ...]:
    """Return what is not needed of a checkpoint with these tensors."""
    return tuple(each for each in unneeded if each.applies(shapes))


class Architecture(Protocol):
    """A frozen dataclass with every size of one variant."""

    @property
    def variant(self) -> str:
        """For example "repvit-m0_9 + mobileclip-s1, context 77"."""


@runtime_checkable
class WithSizes(Protocol):
    """An architecture whose sizes are read from the tensors, so that files differ in them."""

    @property
    def sizes(self) -> Mapping[str, str]:
        """The sizes of each part, for people."""


def sizes_of(architecture: Architecture) -> Mapping[str, str]:
    """Return the sizes of each part in words; none where the variant says everything."""
    return architecture.sizes if isinstance(architecture, WithSizes) else {}


@dataclass(frozen=True)
class ModelSettings:
    """How images and clicks must be prepared."""

    preprocessing: Preprocessing
    interactive: InteractiveSettings | None
    #: Text tokens that the model reads; None where it reads no text.
    context_length: int | None
    #: Tokens that it has an embedding for; None where it reads no text.
    vocabulary: int | None = None
    video: VideoSettings | None = None


class Family(Protocol):
    """One entry of families.FAMILIES."""

    name: str
    title: str
    #: The weights' licence, for the manifest.
    licence: str
    parts: tuple[Part, ...]
    #: What --random-weights can make; the first is the default.
    variants: tuple[str, ...]
    components: tuple[Component, ...]
    unneeded: tuple[Unneeded, ...]

    def recognise(self, shapes: Shapes, notes: Notes = NO_NOTES) -> Architecture:
        """Return every size, from the tensors or, where they do not show it, from the notes.

        Raises CheckpointError: another family's file, or tensors that no known variant has.
        """

    def architecture(self, variant: str) -> Architecture:
        """Return the real sizes of a variant. Raises ExportError for a name not in `variants`."""

    def default_input_size(self, architecture: Architecture) -> int:
        """Return the input size that the variant was trained at, px."""

    def build(self, architecture: Architecture, input_size: int) -> Network:
        """Return the network, its weights not filled.

        Raises ExportError, with the sizes that are possible, for an input size that this
        architecture cannot take.
        """

    def settings(self, architecture: Architecture, input_size: int) -> ModelSettings:
        """Return what the manifest says about preparing input."""


def component_of(name: str, components: Iterable[Component]) -> Component | None:
    """Return the component with the longest prefix of the tensor's name."""
    owners = [component for component in components if name.startswith(component.prefix)]
    return max(owners, key=lambda component: len(component.prefix), default=None)
