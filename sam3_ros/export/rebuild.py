"""The PyTorch network that a bundle was made from, built again."""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.errors import ExportError
from sam3_ros.core.manifest import Manifest
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.family import Family
from sam3_ros.export.network import Network
from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
from sam3_ros.export.weights.loading import load_strictly
from sam3_ros.export.weights.random_weights import fill_randomly

RANDOM_SEED = "random_seed"


def rebuilt_network(manifest: Manifest, checkpoint: Path | None) -> Network:
    """From the checkpoint, or where the weights were random from the seed in the manifest.

    Raises ExportError where the manifest does not say how it was exported, or has no seed and no
    checkpoint is given; CheckpointError where that does not fit.
    """
    family, input_size = _family(manifest), int(manifest.source.get("input_size", 0))
    if checkpoint is not None:
        opened = open_checkpoint(checkpoint)
        network = family.build(family.recognise(opened.shapes), input_size)
        load_strictly(network, opened, family)
        return network
    seed = manifest.source.get(RANDOM_SEED, "")
    if not seed.isdecimal():
        raise ExportError(
            f"the weights of bundle {manifest.name!r} came from a file "
            f"({manifest.source.get('checkpoint', 'unnamed')}): name it with --checkpoint"
        )
    network = family.build(family.architecture(manifest.source["variant"]), input_size)
    fill_randomly(network, int(seed))
    calibrate_batch_norms(network, int(seed))
    return network


def _family(manifest: Manifest) -> Family:
    name = manifest.source.get("family", "")
    if name not in FAMILIES or "input_size" not in manifest.source:
        raise ExportError(
            f"bundle {manifest.name!r} does not say which family and input size it was exported "
            f"with, so its model cannot be built again; there are {', '.join(FAMILIES)}"
        )
    return FAMILIES[name]
