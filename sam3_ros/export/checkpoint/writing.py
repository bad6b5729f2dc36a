"""Writes checkpoints so that a reader sees the whole file or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.safetensors_file import write_safetensors
from sam3_ros.export.interruption import tidied_when_stopped
from sam3_ros.export.network import Network
from sam3_ros.export.weights.loading import original_tensors

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth")


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
            tensors = {name: _owned(tensor) for name, tensor in original_tensors(network)}
            torch.save({"model": tensors}, unfinished)


@contextmanager
def atomic_file(path: Path, replace_existing: bool) -> Iterator[Path]:
    """A path beside `path`; what is written there takes its place when the block ends well.

    Raises CheckpointError where `path` exists and must not be replaced.
    """
    if path.exists() and not replace_existing:
        raise CheckpointError(f"{path} exists; remove it, or ask to replace it (--force)")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    with tidied_when_stopped(beside.cleanup), beside as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        with unfinished.open("rb+") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(path)


def _owned(tensor: Tensor) -> Tensor:
    """A tensor that is all of its storage: torch.save writes the whole storage of a view."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
