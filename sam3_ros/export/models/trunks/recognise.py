"""Which trunk a checkpoint holds, and how it is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.models.likeness import ALIKE, likeness
from sam3_ros.export.models.trunks.efficientvit import EfficientVitSizes
from sam3_ros.export.models.trunks.repvit import RepVitSizes
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes, Sam3VitTrunk, has_gap
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes
from sam3_ros.export.models.trunks.trunk import PATCH, STUDENT, TRUNK, StudentTrunk, Trunk

StudentSizes = RepVitSizes | TinyVitSizes | EfficientVitSizes
#: The kinds of students, and what they are called.
STUDENTS: Mapping[type[StudentSizes], str] = MappingProxyType(
    {RepVitSizes: "repvit", TinyVitSizes: "tinyvit", EfficientVitSizes: "efficientvit"}
)


@dataclass(frozen=True)
class TrunkArchitecture:
    """Every size of a trunk."""

    name: str
    sizes: StudentSizes | Sam3VitSizes
    #: Of the features that the necks take.
    channels: int = 1024


#: The published students.
TRUNKS = tuple(
    TrunkArchitecture(name, sizes)
    for name, sizes in (
        ("repvit-m0_9", RepVitSizes((48, 96, 192, 384), (3, 3, 15, 2))),
        ("repvit-m1_1", RepVitSizes((64, 128, 256, 512), (3, 3, 13, 2))),
        ("repvit-m2_3", RepVitSizes((80, 160, 320, 640), (7, 7, 35, 2))),
        ("tinyvit-5m", TinyVitSizes((64, 128, 160, 320), (2, 2, 6, 2), (4, 5, 10), (7, 14, 7))),
        ("tinyvit-11m", TinyVitSizes((64, 128, 256, 448), (2, 2, 6, 2), (4, 8, 14), (7, 14, 7))),
        ("tinyvit-21m", TinyVitSizes((96, 192, 384, 576), (2, 2, 6, 2), (6, 12, 18), (7, 14, 7))),
        ("efficientvit-b0", EfficientVitSizes((8, 16, 32, 64, 128), (1, 2, 2, 2, 2), 16)),
        ("efficientvit-b1", EfficientVitSizes((16, 32, 64, 128, 256), (1, 2, 3, 3, 4), 16)),
        ("efficientvit-b2", EfficientVitSizes((24, 48, 96, 192, 384), (1, 3, 4, 4, 6), 32)),
    )
)
#: SAM 3's own.
SAM3_TRUNK = TrunkArchitecture("sam3-vit", Sam3VitSizes())
ALL_TRUNKS = (*TRUNKS, SAM3_TRUNK)


def trunk_architecture(name: str) -> TrunkArchitecture:
    """Return the real sizes of a published trunk. Raises ExportError for another name."""
    for architecture in ALL_TRUNKS:
        if architecture.name == name:
            return architecture
    raise ExportError(f"unknown image encoder {name!r}; known: {_names(ALL_TRUNKS)}")


def recognise_trunk(
    shapes: Shapes, known: tuple[TrunkArchitecture, ...] = ALL_TRUNKS
) -> TrunkArchitecture:
    """Return the trunk of the checkpoint's tensors: a known one, or a smaller or larger one alike.

    Published EfficientSAM3 files contain SAM 3's ViT beside the student that imitates it: the
    student is the one used. A file that lacks few tensors of a trunk still counts as that trunk:
    strict loading can say better what is wrong. Raises CheckpointError that says what was found
    instead, and where sizes do not go together.
    """
    trunk = _below(TRUNK, shapes)
    try:
        read = _read(trunk)
    except CheckpointError:
        # A block that is lost makes a file of a known trunk strange, and no other trunk of it.
        if (damaged := _nearest(known, trunk)) is None or not has_gap(trunk):
            raise
        return damaged
    for architecture in known:
        if read and (architecture.sizes, architecture.channels) == (read.sizes, read.channels):
            return architecture
    kinds = tuple(type(each.sizes) for each in known)
    others = [read] if read and read.channels > 0 and isinstance(read.sizes, kinds) else []
    for architecture in others:
        if _likeness(architecture, trunk) == 1:  # no need to build all that are known
            return architecture
    nearest = _nearest((*known, *others), trunk)
    if nearest is None:
        found = f"found {read.sizes} and {read.channels} channels" if read else _some(trunk)
        raise CheckpointError(
            f"the image encoder ({TRUNK}...) should be one of {_names(known)}, but {found}"
        )
    return nearest


def build_trunk(architecture: TrunkArchitecture, input_size: int) -> Trunk:
    """Return stage `image_trunk`, in evaluation mode, its weights not filled.

    Raises ExportError for an input size that is not a multiple of the patch size.
    """
    if input_size < PATCH or input_size % PATCH:
        raise ExportError(
            f"an input size of {input_size} pixels: it must be a multiple of {PATCH}, such as 1008 "
            f"(what the models are trained at) or 504"
        )
    sizes = architecture.sizes
    if isinstance(sizes, Sam3VitSizes):
        return Sam3VitTrunk(sizes, input_size).eval()
    backbone = sizes.build()
    return StudentTrunk(backbone, sizes.channels, architecture.channels, input_size).eval()


def _read(trunk: Shapes) -> TrunkArchitecture | None:
    """Return the sizes of a trunk's tensors under a name made of them; None for unknown tensors."""
    if student := _below(STUDENT.removeprefix(TRUNK), trunk):
        backbone = _below("backbone.model.", student)
        for family, name in STUDENTS.items():
            if (sizes := family.from_shapes(backbone)) is not None:
                channels = student.get("head.0.weight", (0,))[0]
                numbers = ("-".join(map(str, each)) for each in (sizes.widths, sizes.depths))
                return TrunkArchitecture(f"{name}-{'x'.join(numbers)}", sizes, channels)
        return None
    vit = Sam3VitSizes.from_shapes(trunk)
    if vit is None:
        return None
    return TrunkArchitecture(f"{SAM3_TRUNK.name}-{vit.depth}x{vit.width}", vit, vit.width)


def _nearest(
    architectures: Iterable[TrunkArchitecture], tensors: Shapes
) -> TrunkArchitecture | None:
    """Return the trunk that most of the tensors fit, the first of equals; None where none does."""
    found = {each: _likeness(each, tensors) for each in architectures}
    nearest = max(found, key=lambda each: found[each], default=None)
    return nearest if nearest is not None and found[nearest] >= ALIKE else None


def _below(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {n.removeprefix(prefix): tuple(s) for n, s in shapes.items() if n.startswith(prefix)}


def _likeness(architecture: TrunkArchitecture, tensors: Shapes) -> float:
    """Return the share of the trunk's tensors that are there, in [0, 1], packed ones left out."""
    try:
        with torch.device("meta"):
            stage = build_trunk(architecture, PATCH)
    except (ValueError, RuntimeError):  # sizes from a damaged tensor, which no trunk can have
        return 0.0
    return likeness(stage, tensors, TRUNK)


def _names(architectures: tuple[TrunkArchitecture, ...]) -> str:
    return ", ".join(architecture.name for architecture in architectures)


def _some(tensors: Shapes) -> str:
    if not tensors:
        return "no tensor has such a name"
    some = ", ".join(f"{name} {list(shape)}" for name, shape in list(tensors.items())[:4])
    return f"found {len(tensors)} tensors of no known network: {some}, ..."
