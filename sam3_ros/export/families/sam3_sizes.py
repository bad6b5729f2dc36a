"""The sizes of a SAM 3 checkpoint: whether they go together, and in words."""

from __future__ import annotations

from collections.abc import Iterator

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.families.sam3_network import INPUT_SIZE, CommonSizes
from sam3_ros.export.models.sam3.sizes import NECK, DetectorSizes
from sam3_ros.export.models.sam3.tracker_sizes import TRACKER_NECK, TrackerSizes
from sam3_ros.export.models.trunks.recognise import TrunkArchitecture
from sam3_ros.export.models.trunks.rotary_tables import RotaryTables
from sam3_ros.export.models.trunks.sam3_vit import Sam3VitSizes
from sam3_ros.export.models.trunks.trunk import PATCH, TRUNK

_NECK_INPUT = "2.conv_1x1.weight"


def require_consistent(trunk: TrunkArchitecture, common: CommonSizes, shapes: Shapes) -> None:
    """Raise CheckpointError where parts of a file do not fit each other.

    Each part's sizes are read from its own tensors, so each may load, and the whole still not run.
    """
    detector, tracker, text = common.detector, common.tracker, common.text
    necks = {NECK: detector.trunk_channels, TRACKER_NECK: tracker.trunk_channels}
    needed = {NECK: "concept", TRACKER_NECK: "interactive"}  # a detector alone may have both
    for neck, channels in necks.items():
        if (
            needed[neck] in common.parts
            and neck + _NECK_INPUT in shapes
            and channels != trunk.channels
        ):
            raise CheckpointError(
                f"the image encoder {trunk.name} gives {trunk.channels} channels, but the neck "
                f"{neck}... takes {channels}: the two are not of one model"
            )
    if NECK + _NECK_INPUT not in shapes:
        return
    if text is not None and text.d_model != detector.width:
        raise CheckpointError(
            f"the text encoder {text.name} gives {text.d_model} channels, but the detector's "
            f"tokens have {detector.width}: the two are not of one model"
        )


def trained_input_size(trunk: TrunkArchitecture, shapes: Shapes) -> int | None:
    """Return the side of the input in px that the rotary tables of SAM 3's ViT were made for.

    None where no tensor shows it, as for every other image encoder.
    """
    if not isinstance(trunk.sizes, Sam3VitSizes):
        return None
    own = {n.removeprefix(TRUNK): tuple(s) for n, s in shapes.items() if n.startswith(TRUNK)}
    grid = RotaryTables.of(own).grid(trunk.sizes.window)
    return None if grid is None else grid * PATCH


def changed_layers(detector: DetectorSizes, tracker: TrackerSizes) -> str:
    """Return the numbers of layers that no published model has, as a variant's name ends."""
    published, found = DetectorSizes(), []
    for name, count, usual in (
        ("fusion", detector.fusion_layers, published.fusion_layers),
        ("decoder", detector.decoder_layers, published.decoder_layers),
        ("memory attention", tracker.memory_layers, TrackerSizes().memory_layers),
    ):
        if count != usual:
            found.append(f", {name} {count}")
    return "".join(found)


def sizes_in_words(
    trunk: TrunkArchitecture, common: CommonSizes, input_size: int | None
) -> Iterator[tuple[str, str]]:
    """Yield the name of each part and its sizes, for people."""
    is_vit = isinstance(trunk.sizes, Sam3VitSizes)
    yield (
        "image encoder",
        str(trunk.sizes) if is_vit else f"{trunk.name}, {trunk.channels} channels",
    )
    if (text := common.text) is not None:
        heads = f"{text.heads} heads of {text.width // text.heads}"
        yield (
            "text encoder",
            f"{_layers(text.layers)} of width {text.width} ({heads}), {text.context_length} tokens",
        )
    detector, tracker = common.detector, common.tracker
    if "concept" in common.parts:
        heads = f"({detector.heads} heads), inner width {detector.feedforward}"
        yield "fusion", f"{_layers(detector.fusion_layers)} of width {detector.width} {heads}"
        yield "decoder", f"{_layers(detector.decoder_layers)}, {detector.queries} queries"
        yield "geometry", _layers(detector.geometry_layers)
    if "video" in common.parts:
        memories = f"{tracker.memory_frames} memories of {tracker.memory_width} channels"
        yield "memory attention", f"{_layers(tracker.memory_layers)}, {memories}"
    published = f"{INPUT_SIZE} px, as published models: no tensor shows it"
    yield (
        "trained at",
        published if input_size is None else f"{input_size} px, by its rotary tables",
    )


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"
