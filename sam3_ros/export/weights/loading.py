"""Fills a network from a checkpoint, completely or not at all, and writes one as a checkpoint."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import joined, original_shapes, split
from sam3_ros.export.checkpoint.contents import Checkpoint, is_finite
from sam3_ros.export.checkpoint.file import SAFETENSORS, TORCH, atomic_file
from sam3_ros.export.checkpoint.safetensors_file import write_safetensors
from sam3_ros.export.checkpoint.shards import shard_of
from sam3_ros.export.family import Family
from sam3_ros.export.network import Network
from sam3_ros.export.weights.mismatches import KINDS, Mismatch, listing_by_component, mismatches

logger = logging.getLogger(__name__)


def load_strictly(network: Network, checkpoint: Checkpoint, family: Family) -> None:
    """Fill every parameter and buffer of the network from the checkpoint, in float32.

    Every tensor of the checkpoint is used, or the family lists it as not needed. Beside the network
    one tensor at a time is in memory.

    Raises CheckpointError before the network is touched, with what is missing, unexpected,
    mis-shaped or of another type, by component; and for a tensor with NaN or infinite numbers,
    which leaves the network filled in part and of no use.
    """
    if (reason := why_unfit(network, checkpoint, family)) is not None:
        raise CheckpointError(reason)
    _warn_of_conversions(network, checkpoint)
    own = network.state_dict(keep_vars=True)
    with torch.no_grad():
        for binding in network.bindings():
            originals = [_finite(name, checkpoint) for name in binding.originals]
            targets = [own[name] for name in binding.targets]
            parts = split(joined(originals), [tuple(target.shape) for target in targets])
            for target, part in zip(targets, parts, strict=True):
                target.copy_(part)


def why_unfit(network: Network, checkpoint: Checkpoint, family: Family) -> str | None:
    """Say which tensors keep a checkpoint from filling the network, None where it fits.

    network: on any device, its numbers are not read.
    """
    found = mismatches(network, checkpoint, family)
    return _refusal(found, checkpoint, family) if found else None


def original_tensors(network: Network) -> Iterator[tuple[str, Tensor]]:
    """Yield the network's tensors under the original's names, each once: what load_strictly reads.

    A tensor may be a view of the network's own. Raises ValueError where two targets of one original
    hold different numbers.
    """
    own = network.state_dict()
    bindings = network.bindings()
    times = Counter(name for binding in bindings for name in binding.originals)
    seen: dict[str, Tensor] = {}  # only names that occur again: a packed tensor is a copy
    for binding in bindings:
        targets = [own[name] for name in binding.targets]
        parts = split(joined(targets), original_shapes(binding, targets))
        for name, part in zip(binding.originals, parts, strict=True):
            if name not in seen:
                if times[name] > 1:
                    seen[name] = part
                yield name, part
            elif not torch.equal(seen[name], part):
                raise ValueError(
                    f"{binding.targets} and another target of {name} hold different numbers"
                )


def _refusal(found: list[Mismatch], checkpoint: Checkpoint, family: Family) -> str:
    counts = Counter(mismatch.kind for mismatch in found)
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    shard = shard_of(checkpoint.path.name)
    part = f"\nBy its name the file is part {shard[0]} of {shard[1]}." if shard else ""
    return (
        f"{checkpoint.path} does not fit {family.name}: {summary}.{part}\n"
        f"{listing_by_component(found, family.components)}\n"
        f"Nothing was loaded: a checkpoint has to fit completely. "
        f"`sam3-ros inspect {checkpoint.path}` shows what the file holds."
    )


def _warn_of_conversions(network: Network, checkpoint: Checkpoint) -> None:
    used = {original for binding in network.bindings() for original in binding.originals}
    dtypes = Counter(checkpoint.dtypes[name] for name in used)
    for dtype, count in dtypes.items():
        if dtype.is_floating_point and dtype != torch.float32:
            logger.warning(
                "%s: %d tensors are %s and are converted to float32",
                checkpoint.path,
                count,
                str(dtype).removeprefix("torch."),
            )


def _finite(name: str, checkpoint: Checkpoint) -> Tensor:
    tensor = checkpoint.tensor(name)
    if tensor.is_floating_point() and tensor.dtype != torch.float32:
        tensor = tensor.float()
    if not is_finite(tensor):
        raise CheckpointError(
            f"{checkpoint.path}: {name} holds NaN or infinite numbers, which make every mask "
            f"meaningless; use another checkpoint of the training"
        )
    return tensor


def write_checkpoint(network: Network, path: Path, replace_existing: bool = False) -> None:
    """Write the network under the original's tensor names.

    path: ends in .safetensors, or in .pt or .pth for {"model": tensors}. Raises CheckpointError for
    another ending, and where the file exists and replace_existing is not set.
    """
    if path.suffix not in (SAFETENSORS, *TORCH):
        raise CheckpointError(f"{path} must end in {', '.join((SAFETENSORS, *TORCH))}")
    with atomic_file(path, replace_existing) as unfinished:
        if path.suffix == SAFETENSORS:
            tensors = dict(original_tensors(network))
            contents = {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}
            write_safetensors(unfinished, contents, tensors.__getitem__, {})
        else:
            tensors = {name: _own_storage(tensor) for name, tensor in original_tensors(network)}
            torch.save({"model": tensors}, unfinished)


def _own_storage(tensor: Tensor) -> Tensor:
    """Return a tensor that is all of its storage: torch.save writes the whole storage of a view."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
