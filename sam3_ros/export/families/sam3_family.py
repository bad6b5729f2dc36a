"""The Family of SAM 3 and of models derived from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.families.foreign import is_multiplex
from sam3_ros.export.families.sam3_network import (
    INPUT_SIZE,
    CommonSizes,
    build_network,
    model_settings,
)
from sam3_ros.export.families.sam3_sizes import (
    changed_layers,
    require_consistent,
    sizes_in_words,
    trained_input_size,
)
from sam3_ros.export.family import (
    CONTEXT_NOTE,
    NO_NOTES,
    Component,
    ModelSettings,
    Notes,
    Unneeded,
)
from sam3_ros.export.models.sam3.sizes import SEGMENTATION
from sam3_ros.export.models.text.encoder import text_architecture
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture, build_trunk, recognise_trunk
from sam3_ros.export.models.trunks.trunk import STUDENT
from sam3_ros.export.network import PARTS, Network, Part

#: The beginnings of SAM 3's names.
_OWN = ("detector.", "tracker.")
_NAMED = 5


@dataclass(frozen=True)
class Sam3Architecture:
    """Sizes of one variant."""

    trunk: TrunkArchitecture
    common: CommonSizes
    #: Side of the input that the model was trained at, px; None where no tensor shows it.
    input_size: int | None = field(default=None, compare=False)

    @property
    def variant(self) -> str:
        """IMAGE+TEXT@CONTEXT, for example repvit-m0_9+mobileclip-s1@77.

        A tracker alone has no text encoder. Numbers of layers that no published model has follow:
        ", fusion 4, decoder 4".
        """
        text = self.common.text
        reads = f"+{text.name}@{text.context_length}" if text else ""
        layers = changed_layers(self.common.detector, self.common.tracker)
        return f"{self.trunk.name}{reads}{layers}"

    @property
    def sizes(self) -> Mapping[str, str]:
        """The sizes of each part, for people."""
        return dict(sizes_in_words(self.trunk, self.common, self.input_size))


@dataclass(frozen=True)
class Sam3Family:
    """SAM 3 or a family derived from it; see Family for the other members."""

    name: str
    title: str
    licence: str
    #: The image encoders of the family.
    trunks: tuple[TrunkArchitecture, ...]
    #: Text encoders, with the context lengths of published checkpoints.
    texts: tuple[tuple[str, tuple[int, ...]], ...]
    #: The image encoder imitates SAM 3's, and its tensors are named below STUDENT.
    has_student: bool
    unneeded: tuple[Unneeded, ...]
    components: tuple[Component, ...]
    parts: tuple[Part, ...] = field(default=PARTS, init=False)

    @property
    def variants(self) -> tuple[str, ...]:
        """Every pair of encoders, with each context length."""
        return tuple(
            f"{trunk.name}+{text}@{context}"
            for text, contexts in self.texts
            for context in contexts
            for trunk in self.trunks
        )

    def recognise(self, shapes: Shapes, notes: Notes = NO_NOTES) -> Sam3Architecture:
        """Return every size from the tensors, a shorter context from the notes.

        Raises CheckpointError for another family's checkpoint.
        """
        if not any(name.startswith(_OWN) for name in shapes):
            firsts = list(dict.fromkeys(name.partition(".")[0] for name in shapes))
            more = ", ..." if len(firsts) > _NAMED else ""
            raise CheckpointError(
                f"the file has no tensor below {' or '.join(_OWN)}, so it is not a checkpoint of "
                f"{self.title}; its names begin with {', '.join(firsts[:_NAMED])}{more}"
            )
        if is_multiplex(shapes):
            raise CheckpointError(f"SAM 3.1 is not a checkpoint of {self.title}")
        student = any(name.startswith(STUDENT) for name in shapes)
        if student is not self.has_student:
            came, other = ("tensors", "efficientsam3") if student else ("no tensor", "sam3")
            raise CheckpointError(
                f"the file has {came} below {STUDENT}, so it is not a checkpoint of {self.title}; "
                f"try the family {other}"
            )
        trunk = recognise_trunk(shapes, self.trunks)
        common = CommonSizes.from_shapes(shapes)
        if "concept" in common.parts and not any(n.startswith(SEGMENTATION) for n in shapes):
            raise CheckpointError(
                f"the detector has no segmentation head ({SEGMENTATION}...): it was trained for "
                f"boxes alone, and without masks there is nothing to export; train it with masks "
                f"(enable_segmentation of the original's trainer)"
            )
        context = context_from_notes(notes)
        if context is not None and common.text is not None:
            common = replace(common, text=common.text.with_context_length(context))
        require_consistent(trunk, common, shapes)
        return Sam3Architecture(trunk, common, trained_input_size(trunk, shapes))

    def architecture(self, variant: str) -> Sam3Architecture:
        """Return the real sizes. Raises ExportError for a name that is not in `variants`."""
        if variant not in self.variants:
            texts = ", ".join(
                f"{text}@{'|'.join(map(str, contexts))}" for text, contexts in self.texts
            )
            images = ", ".join(trunk.name for trunk in self.trunks)
            raise ExportError(
                f"{self.title} has no variant {variant!r}; expected IMAGE+TEXT@CONTEXT with IMAGE "
                f"one of {images} and TEXT@CONTEXT one of {texts}"
            )
        image, _, rest = variant.partition("+")
        text, _, context = rest.partition("@")
        (trunk,) = (trunk for trunk in self.trunks if trunk.name == image)
        return Sam3Architecture(trunk, CommonSizes(text_architecture(text, int(context))))

    def default_input_size(self, architecture: Sam3Architecture) -> int:
        """Return the input size in px: what the tensors show, else that of published models."""
        return architecture.input_size or INPUT_SIZE

    def build(self, architecture: Sam3Architecture, input_size: int) -> Network:
        """Return the network.

        Raises ExportError for an input size that the image encoder cannot take.
        """
        trunk = build_trunk(architecture.trunk, input_size)
        return build_network(trunk, architecture.common, input_size)

    def settings(self, architecture: Sam3Architecture, input_size: int) -> ModelSettings:
        """Return how the original prepares images and chooses among masks."""
        return model_settings(architecture.common, input_size)


def context_from_notes(notes: Notes) -> int | None:
    """Return how many tokens the text encoder reads, where a checkpoint says so beside its tensors.

    Some were trained with 16 and hold a table of 77 rows, which the original's code cuts to the
    length that it is given. Such a file has the length in its metadata or, by its authors'
    convention, in its name: ..._ctx16.pt.
    """
    for name in (CONTEXT_NOTE, f"meta.{CONTEXT_NOTE}"):
        if str(notes.get(name, "")).isdecimal():
            return int(notes[name])
    named = re.search(r"ctx(\d+)(?!\d)", str(notes.get("file", "")))
    return int(named[1]) if named else None
