"""EfficientSAM3: SAM 3 with a small image encoder and MobileCLIP's text encoder."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.families.sam3_components import COMPONENTS
from sam3_ros.export.families.sam3_network import (
    INPUT_SIZE,
    UNNEEDED,
    CommonSizes,
    build_network,
    model_settings,
)
from sam3_ros.export.family import Architecture, Component, ModelSettings, Shapes, Unneeded
from sam3_ros.export.models.text.architecture import TEXT_ENCODERS, text_architecture
from sam3_ros.export.models.trunks.head import STUDENT
from sam3_ros.export.models.trunks.recognise import (
    TRUNKS,
    TrunkArchitecture,
    build_trunk,
    recognise_trunk,
    trunk_architecture,
)
from sam3_ros.export.network import PARTS, Network, Part

CONTEXTS = (77, 32, 16)
_TEXTS = tuple(name for name in TEXT_ENCODERS if name.startswith("mobileclip"))

TEACHER = Unneeded(
    r"detector\.backbone\.vision_backbone\.trunk\.(?!model\.).*",
    "SAM 3's own ViT, the teacher: the published file still carries it",
    training_only=True,
)


@dataclass(frozen=True)
class EfficientSam3Architecture:
    """Sizes of one variant."""

    trunk: TrunkArchitecture
    common: CommonSizes

    @property
    def variant(self) -> str:
        """As in EfficientSam3.variants, for example repvit-m0_9+mobileclip-s1@77."""
        text = self.common.text
        return f"{self.trunk.name}+{text.name}@{text.context_length}"


class EfficientSam3:
    """The Family; trunks: the image encoders that a checkpoint may hold."""

    name = "efficientsam3"
    title = "EfficientSAM3"
    licence = "SAM License (weights derived from SAM 3); tokenizer vocabulary: MIT, (c) OpenAI"
    parts: tuple[Part, ...] = PARTS
    components: tuple[Component, ...] = COMPONENTS
    unneeded: tuple[Unneeded, ...] = (*UNNEEDED, TEACHER)

    def __init__(self, trunks: tuple[TrunkArchitecture, ...] = TRUNKS) -> None:
        self._trunks = trunks
        self.variants: tuple[str, ...] = tuple(
            f"{trunk.name}+{text}@{context}"
            for text in ("mobileclip-s1", *(t for t in _TEXTS if t != "mobileclip-s1"))
            for context in CONTEXTS
            for trunk in trunks
        )

    def recognise(self, shapes: Shapes) -> Architecture:
        """Raises CheckpointError where the student's tensors are not there."""
        if not any(name.startswith(STUDENT) for name in shapes):
            raise CheckpointError(
                f"no tensor starts with {STUDENT}: this is no EfficientSAM3 checkpoint (for SAM 3 "
                f"itself or SAM3-LiteText use the family sam3)"
            )
        trunk = recognise_trunk(shapes, self._trunks)
        return EfficientSam3Architecture(trunk, CommonSizes.from_shapes(shapes))

    def architecture(self, variant: str) -> Architecture:
        """Raises ExportError for a name that is not in `variants`."""
        if variant not in self.variants:
            raise ExportError(
                f"{self.title} has no variant {variant!r}; write IMAGE+TEXT@CONTEXT, with IMAGE "
                f"one of {', '.join(t.name for t in self._trunks)}, TEXT one of "
                f"{', '.join(_TEXTS)}, CONTEXT one of {', '.join(map(str, CONTEXTS))}"
            )
        image, _, rest = variant.partition("+")
        text, _, context = rest.partition("@")
        common = CommonSizes(text_architecture(text, int(context)))
        return EfficientSam3Architecture(trunk_architecture(image), common)

    def default_input_size(self, architecture: Architecture) -> int:  # noqa: ARG002
        """px."""
        return INPUT_SIZE

    def build(self, architecture: Architecture, input_size: int) -> Network:
        """Raises ExportError for an input size that the image encoder cannot take."""
        assert isinstance(architecture, EfficientSam3Architecture)
        trunk = build_trunk(architecture.trunk, input_size)
        return build_network(trunk, architecture.common, input_size)

    def settings(self, architecture: Architecture, input_size: int) -> ModelSettings:
        """What the manifest says about preparing input."""
        assert isinstance(architecture, EfficientSam3Architecture)
        return model_settings(architecture.common, input_size)
