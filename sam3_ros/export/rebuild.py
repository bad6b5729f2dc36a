"""The PyTorch network that a bundle was made from, built again."""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import ExportError
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.family import Family
from sam3_ros.export.filled_network import from_checkpoint, from_seed
from sam3_ros.export.network import Network

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
