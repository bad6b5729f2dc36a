"""A family's network with its weights: from a checkpoint, random, or the ones of a bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.checkpoint.description import form_of, storage_of
from sam3_ros.export.families import FAMILIES
from sam3_ros.export.family import Architecture, Family
from sam3_ros.export.network import Network
from sam3_ros.export.weights.batch_norms import calibrate_batch_norms
from sam3_ros.export.weights.loading import load_strictly
from sam3_ros.export.weights.random_weights import fill_randomly
from sam3_ros.export.weights.recognition import open_known, what_else, without_prefix
from sam3_ros.export.weights_identity import (
    CHECKPOINT,
    CHECKPOINT_FORM,
    CHECKPOINT_SHA256,
    CHECKPOINT_STORAGE,
    RANDOM_SEED,
    WEIGHTS_SAMPLES,
    weights_samples,
)


@dataclass(frozen=True)
class FilledNetwork:
    """A network that is ready to be exported."""

    architecture: Architecture
    network: Network
    #: Side of the input, px.
    input_size: int
    #: Where the weights come from, for the manifest.
    source: Mapping[str, str]


def from_checkpoint(
    family: Family, path: Path, input_size: int | None, parts: Collection[str] | None = None
) -> FilledNetwork:
    """Build and fill the network of a checkpoint: of all parts that it has tensors for.

    input_size: None for the size that the model was trained at. parts: what the checkpoint must
    have, None for all that the family has. Raises CheckpointError, ExportError.
    """
    checkpoint = without_prefix(open_known(path), [family])
    try:
        architecture = family.recognise(checkpoint.shapes, checkpoint.notes)
    except CheckpointError as error:
        if (other := what_else(checkpoint)) is None:
            raise
        raise CheckpointError(f"{path} is {other}") from error
    size = input_size or family.default_input_size(architecture)
    network = family.build(architecture, size)
    _require_parts(network, family, parts, checkpoint)
    load_strictly(network, checkpoint, family)
    used = {name for binding in network.bindings() for name in binding.originals}
    source = {
        CHECKPOINT: path.name,
        CHECKPOINT_SHA256: checkpoint.sha256(),
        CHECKPOINT_FORM: form_of(checkpoint),
        CHECKPOINT_STORAGE: storage_of(checkpoint, used),
        WEIGHTS_SAMPLES: weights_samples(
            checkpoint.shapes, lambda name: checkpoint.tensor(name).tolist(), used
        ),
    }
    return FilledNetwork(architecture, network, size, source)


def _require_parts(
    network: Network, family: Family, parts: Collection[str] | None, checkpoint: Checkpoint
) -> None:
    """Raise CheckpointError where a checkpoint has nothing for a part."""
    asked = family.parts if parts is None else [part for part in family.parts if part in parts]
    if lacking := [part for part in asked if part not in network.parts]:
        raise CheckpointError(
            f"{checkpoint.path} has no tensors for {' and '.join(lacking)}, only for "
            f"{' and '.join(network.parts)}; --parts {','.join(network.parts)} exports that"
        )


def from_seed(
    family: Family, seed: int, variant: str | None, input_size: int | None
) -> FilledNetwork:
    """Build the network of a variant and fill it with random weights.

    variant: None for the family's first. Raises ExportError for a variant that it does not have.
    """
    architecture = family.architecture(variant or family.variants[0])
    size = input_size or family.default_input_size(architecture)
    network = family.build(architecture, size)
    fill_randomly(network, seed)
    calibrate_batch_norms(network, seed)
    return FilledNetwork(architecture, network, size, {RANDOM_SEED: str(seed)})


def rebuilt_network(manifest: Manifest, checkpoint: Path | None) -> Network:
    """Build the network that a bundle was made from again.

    The weights come from the checkpoint or, where they were random, from the seed in the manifest.
    Raises ExportError where the manifest does not say how the bundle was exported, or has no seed
    and no checkpoint is given; CheckpointError where the checkpoint does not fit.
    """
    require_rebuildable(manifest, checkpoint)
    family, input_size = _family(manifest), int(manifest.source["input_size"])
    if checkpoint is not None:
        parts = manifest.source["parts"].split(",") if "parts" in manifest.source else None
        return from_checkpoint(family, checkpoint, input_size, parts).network
    seed = int(manifest.source[RANDOM_SEED])
    return from_seed(family, seed, manifest.source["variant"], input_size).network


def require_rebuildable(manifest: Manifest, checkpoint: Path | None) -> None:
    """Raise ExportError where rebuilt_network would, without building anything."""
    _family(manifest)
    if checkpoint is None and not manifest.source.get(RANDOM_SEED, "").isdecimal():
        raise ExportError(
            f"the weights of bundle {manifest.name!r} came from a file "
            f"({manifest.source.get(CHECKPOINT, 'unnamed')}): give it with --checkpoint"
        )


def _family(manifest: Manifest) -> Family:
    name = manifest.source.get("family", "")
    if name not in FAMILIES or "input_size" not in manifest.source:
        raise ExportError(
            f"bundle {manifest.name!r} does not say which family and input size it was exported "
            f"with, so its model cannot be built again; known families: {', '.join(FAMILIES)}"
        )
    return FAMILIES[name]
