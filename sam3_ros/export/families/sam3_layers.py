"""Which layers of a SAM 3 checkpoint a smaller one keeps, to start its retraining from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sam3_ros.core.errors import ExportError
from sam3_ros.export.families.sam3_family import Sam3Architecture
from sam3_ros.export.family import Architecture
from sam3_ros.export.models.sam3.sizes import DECODER, FUSION
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes
from sam3_ros.export.models.trunks.trunk import TRUNK


@dataclass(frozen=True)
class FewerLayers:
    """How many layers to keep; None for all."""

    fusion: int | None = None
    decoder: int | None = None
    #: Blocks of SAM 3's ViT.
    vit: int | None = None


@dataclass(frozen=True)
class KeptLayers:
    """The layers of one stack that stay."""

    #: For people, such as "fusion layers".
    stack: str
    #: Of the names of its tensors, before the layer's number.
    prefix: str
    #: Numbers in the whole checkpoint, ascending.
    kept: tuple[int, ...]
    #: How many there were.
    total: int

    def __str__(self) -> str:
        return f"{self.stack} {', '.join(map(str, self.kept))} of {self.total}"

    def renamed(self, name: str) -> str | None:
        """Return a tensor's name in the smaller checkpoint; None where its layer does not stay."""
        match = re.match(re.escape(self.prefix) + r"(\d+)(\..*)", name)
        if match is None:
            return name
        number = int(match[1])
        return f"{self.prefix}{self.kept.index(number)}{match[2]}" if number in self.kept else None


def kept_layers(architecture: Architecture, fewer: FewerLayers) -> tuple[KeptLayers, ...]:
    """Choose the layers that stay: evenly spaced, the first and the last among them.

    A single one is the last, whose output the heads were trained on. Of the ViT each part that ends
    in a block that attends over the whole picture keeps that block and as many before it as every
    other part. Raises ExportError for numbers that cannot be.
    """
    if not isinstance(architecture, Sam3Architecture):
        raise ExportError("only SAM 3 and EfficientSAM3 have layers that can be left out")
    detector, chosen = architecture.common.detector, []
    for stack, option, prefix, wanted, total in (
        ("fusion layers", "--fusion-layers", FUSION, fewer.fusion, detector.fusion_layers),
        ("decoder layers", "--decoder-layers", DECODER, fewer.decoder, detector.decoder_layers),
    ):
        if wanted is not None:
            _require_fewer(option, wanted, total, stack)
            chosen.append(KeptLayers(stack, prefix + "layers.", evenly(wanted, total), total))
    if fewer.vit is not None:
        sizes = architecture.trunk.sizes
        if not isinstance(sizes, Sam3VitSizes):
            raise ExportError(
                f"--vit-depth is for SAM 3's own image encoder; that of this checkpoint is "
                f"{architecture.trunk.name}"
            )
        kept = _kept_blocks(sizes, fewer.vit)
        chosen.append(KeptLayers("ViT blocks", TRUNK + "blocks.", kept, sizes.depth))
    return tuple(chosen)


def evenly(count: int, total: int) -> tuple[int, ...]:
    """Return `count` of the numbers from 0 to total - 1, evenly spaced, both ends among them.

    A single one is the last.
    """
    if count == 1:
        return (total - 1,)
    return tuple(round(place * (total - 1) / (count - 1)) for place in range(count))


def renamed_by(layers: Iterable[KeptLayers], names: Iterable[str]) -> Mapping[str, str]:
    """Return the old name of each tensor that stays, by its new one."""
    found: dict[str, str] = {}
    for name in names:
        new: str | None = name
        for each in layers:
            new = each.renamed(new) if new is not None else None
        if new is not None:
            found[new] = name
    return found


def _kept_blocks(sizes: Sam3VitSizes, wanted: int) -> tuple[int, ...]:
    _require_fewer("--vit-depth", wanted, sizes.depth, "ViT blocks")
    ends = sizes.global_blocks
    starts = [0, *(end + 1 for end in ends[:-1])]
    shortest = min(end - start + 1 for start, end in zip(starts, ends, strict=True))
    if wanted % len(ends) or wanted // len(ends) > shortest:
        possible = ", ".join(str(len(ends) * each) for each in range(1, shortest + 1))
        raise ExportError(
            f"--vit-depth {wanted}: the {sizes.depth} blocks are {len(ends)} parts, each of which "
            f"ends in a block that attends over the whole picture, and every part keeps as many; "
            f"expected one of {possible}"
        )
    within = wanted // len(ends) - 1
    return tuple(
        number
        for start, end in zip(starts, ends, strict=True)
        for number in (*_first_evenly(within, start, end - start), end)
    )


def _first_evenly(count: int, start: int, total: int) -> tuple[int, ...]:
    """Return `count` of `total` numbers from `start` on, evenly spaced; a single one is the first.

    So the picture's first block, which reads the patches, stays.
    """
    if count < 2:
        return (start,) * count
    return tuple(start + number for number in evenly(count, total))


def _require_fewer(option: str, wanted: int, total: int, stack: str) -> None:
    if not 1 <= wanted <= total:
        raise ExportError(
            f"{option} {wanted}: the checkpoint has {total} {stack}, and slim only leaves some "
            f"out; expected 1 to {total}"
        )
