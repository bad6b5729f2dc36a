"""A family's network with its weights: from a checkpoint, or at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ExportError
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.family import Architecture, Family
from sam3_ros.export.network import Network
from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
from sam3_ros.export.weights.loading import load_strictly
from sam3_ros.export.weights.random_weights import fill_randomly


@dataclass(frozen=True)
class FilledNetwork:
    """Ready to be exported. source: where the weights come from, for the manifest."""

    architecture: Architecture
    network: Network
    input_size: int
    source: Mapping[str, str]


def from_checkpoint(family: Family, path: Path, input_size: int | None) -> FilledNetwork:
    """input_size: None for what the model was trained at. Raises CheckpointError, ExportError."""
    checkpoint = open_checkpoint(path)
    architecture = family.recognise(checkpoint.shapes, checkpoint.notes)
    size = input_size or family.default_input_size(architecture)
    network = family.build(architecture, size)
    load_strictly(network, checkpoint, family)
    source = {"checkpoint": path.name, "checkpoint_sha256": checkpoint.sha256()}
    return FilledNetwork(architecture, network, size, source)


def from_seed(
    family: Family, seed: int, variant: str | None, input_size: int | None
) -> FilledNetwork:
    """variant: None for the family's first. Raises ExportError for a variant it does not have."""
    architecture = family.architecture(variant or family.variants[0])
    size = input_size or family.default_input_size(architecture)
    network = family.build(architecture, size)
    fill_randomly(network, seed)
    calibrate_batch_norms(network, seed)
    return FilledNetwork(architecture, network, size, {"random_seed": str(seed)})


RANDOM_SEED = "random_seed"


def rebuilt_network(manifest: Manifest, checkpoint: Path | None) -> Network:
    """From the checkpoint, or where the weights were random from the seed in the manifest.

    Raises ExportError where the manifest does not say how it was exported, or has no seed and no
    checkpoint is given; CheckpointError where that does not fit.
    """
    require_rebuildable(manifest, checkpoint)
    family, input_size = _family(manifest), int(manifest.source["input_size"])
    if checkpoint is not None:
        return from_checkpoint(family, checkpoint, input_size).network
    seed = int(manifest.source[RANDOM_SEED])
    return from_seed(family, seed, manifest.source["variant"], input_size).network


def require_rebuildable(manifest: Manifest, checkpoint: Path | None) -> None:
    """Raise ExportError, as rebuilt_network would, without building anything."""
    _family(manifest)
    if checkpoint is None and not manifest.source.get(RANDOM_SEED, "").isdecimal():
        raise ExportError(
            f"the weights of bundle {manifest.name!r} came from a file "
            f"({manifest.source.get('checkpoint', 'unnamed')}): name it with --checkpoint"
        )


def _family(manifest: Manifest) -> Family:
    name = manifest.source.get("family", "")
    if name not in FAMILIES or "input_size" not in manifest.source:
        raise ExportError(
            f"bundle {manifest.name!r} does not say which family and input size it was exported "
            f"with, so its model cannot be built again; there are {', '.join(FAMILIES)}"
        )
    return FAMILIES[name]
