"""Which trunk a checkpoint holds, and how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.models.trunks.efficientvit import EfficientVitSizes
from sam3_ros.export.models.trunks.head import PATCH, STUDENT, TRUNK, StudentTrunk
from sam3_ros.export.models.trunks.repvit import RepVitSizes
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes
from sam3_ros.export.stage import Stage

Shapes = Mapping[str, tuple[int, ...]]
Sizes = RepVitSizes | TinyVitSizes | EfficientVitSizes
FAMILIES: tuple[type[Sizes], ...] = (RepVitSizes, TinyVitSizes, EfficientVitSizes)
BACKBONE = STUDENT + "backbone.model."


@dataclass(frozen=True)
class TrunkArchitecture:
    """Every size of a trunk. channels: of the features that the necks take."""

    name: str
    backbone: Sizes
    channels: int = 1024


#: The published image encoders.
TRUNKS = (
    TrunkArchitecture("repvit-m0_9", RepVitSizes((48, 96, 192, 384), (3, 3, 15, 2))),
    TrunkArchitecture("repvit-m1_1", RepVitSizes((64, 128, 256, 512), (3, 3, 13, 2))),
    TrunkArchitecture("repvit-m2_3", RepVitSizes((80, 160, 320, 640), (7, 7, 35, 2))),
    TrunkArchitecture(
        "tinyvit-5m", TinyVitSizes((64, 128, 160, 320), (2, 2, 6, 2), (4, 5, 10), (7, 14, 7))
    ),
    TrunkArchitecture(
        "tinyvit-11m", TinyVitSizes((64, 128, 256, 448), (2, 2, 6, 2), (4, 8, 14), (7, 14, 7))
    ),
    TrunkArchitecture(
        "tinyvit-21m", TinyVitSizes((96, 192, 384, 576), (2, 2, 6, 2), (6, 12, 18), (7, 14, 7))
    ),
    TrunkArchitecture(
        "efficientvit-b0", EfficientVitSizes((8, 16, 32, 64, 128), (1, 2, 2, 2, 2), 16)
    ),
    TrunkArchitecture(
        "efficientvit-b1", EfficientVitSizes((16, 32, 64, 128, 256), (1, 2, 3, 3, 4), 16)
    ),
    TrunkArchitecture(
        "efficientvit-b2", EfficientVitSizes((24, 48, 96, 192, 384), (1, 3, 4, 4, 6), 32)
    ),
)


def trunk_architecture(name: str) -> TrunkArchitecture:
    """The real sizes of a published trunk. Raises ExportError for another name."""
    for architecture in TRUNKS:
        if architecture.name == name:
            return architecture
    known = ", ".join(architecture.name for architecture in TRUNKS)
    raise ExportError(f"no image encoder is called {name!r}; there are {known}")


def recognise_trunk(
    shapes: Shapes, known: tuple[TrunkArchitecture, ...] = TRUNKS
) -> TrunkArchitecture:
    """The one of the known trunks whose sizes the checkpoint's tensors have.

    Published EfficientSAM3 files carry SAM 3's ViT beside the student that imitates it: the student
    is the one used. Raises CheckpointError that says what was found instead.
    """
    head = shapes.get(STUDENT + "head.0.weight")
    backbone = _below(BACKBONE, shapes)
    found = next((sizes for f in FAMILIES if (sizes := f.from_shapes(backbone))), None)
    for architecture in known:
        if head and architecture.backbone == found and architecture.channels == head[0]:
            return architecture
    raise CheckpointError(
        f"the image encoder ({TRUNK}...) is none of {', '.join(a.name for a in known)}: "
        f"{_described(found, head, _below(TRUNK, shapes))}"
    )


def build_trunk(architecture: TrunkArchitecture, input_size: int) -> Stage:
    """Stage `image_trunk`, in evaluation mode, its weights not filled.

    Raises ExportError for an input size that is no multiple of the patch size.
    """
    if input_size < PATCH or input_size % PATCH:
        raise ExportError(
            f"an input size of {input_size} px: it must be a multiple of {PATCH}, such as 1008 "
            f"(what the models are trained at) or 504"
        )
    sizes = architecture.backbone
    trunk = StudentTrunk(sizes.build(), sizes.channels, architecture.channels, input_size)
    return trunk.eval()


def _below(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {n.removeprefix(prefix): tuple(s) for n, s in shapes.items() if n.startswith(prefix)}


def _described(found: Sizes | None, head: tuple[int, ...] | None, trunk: Shapes) -> str:
    if found is not None:
        return f"found {found} and a head of shape {head}"
    if not trunk:
        return "found no tensor of that name"
    some = ", ".join(f"{name} {list(shape)}" for name, shape in list(trunk.items())[:4])
    return f"found {len(trunk)} tensors, such as {some}"
