"""Opens checkpoint files of every format, and writes files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.checkpoint.other_formats import why_no_checkpoint, why_no_folder
from sam3_ros.export.checkpoint.safetensors_file import is_safetensors, read_safetensors
from sam3_ros.export.checkpoint.sharded_file import read_sharded
from sam3_ros.export.checkpoint.shards import places_in, shard_of
from sam3_ros.export.checkpoint.torch_file import is_archive, read_torch_file
from sam3_ros.export.interruption import cleanup_on_signals

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth")
#: The end of the name of an index, and the name of the file where there is only one.
_INDEX, _MODEL = ".index.json", "model.safetensors"


def open_checkpoint(path: Path) -> Checkpoint:
    """Read a PyTorch or a safetensors file; its content decides which it is.

    path: also the index of a checkpoint in several files, or a folder that holds one index, or one
    file `model.safetensors`, and no other weights.

    Nothing in the file is run. Raises CheckpointError, with a message of its own for each case: no
    such file, empty, cut short, damaged, PyTorch's format from before 1.6, a pickle, Python objects
    beside the tensors, TorchScript, what other_formats.py knows, anything else, no model, entries
    of the model that are not tensors, two tensors of one name or over the same numbers, an index
    that does not fit its files.
    """
    path = Path(path)
    if path.is_dir():
        path = _only_weights(path)
    if path.name.endswith(_INDEX) and places_in(path):
        return read_sharded(path, _open_file)
    return _open_file(path)


def _open_file(path: Path) -> Checkpoint:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; name a .pth, .pt or .safetensors file")
    if is_archive(path):
        return read_torch_file(path)
    if is_safetensors(path):
        return read_safetensors(path)
    raise CheckpointError(f"{path} {why_no_checkpoint(path)}")


def _only_weights(folder: Path) -> Path:
    """Return the one index or file in a folder that save_pretrained wrote.

    Raises CheckpointError where it is not clear which file is meant.
    """
    names = [each.name for each in folder.iterdir() if each.is_file()]
    weights = [n for n in names if n.endswith((SAFETENSORS, *TORCH, ".bin", ".ckpt", _INDEX))]
    indexes = [name for name in weights if name.endswith(_INDEX)]
    if len(indexes) == 1 and all(shard_of(name) for name in weights if name not in indexes):
        return folder / indexes[0]
    if weights == [_MODEL]:
        return folder / _MODEL
    raise CheckpointError(f"{folder} {why_no_folder(folder)}")


def require_free_file(path: Path, replace_existing: bool) -> None:
    """Raise CheckpointError where a file exists and must not be replaced."""
    if path.exists() and not replace_existing:
        raise CheckpointError(f"{path} exists; remove it, or ask to replace it (--force)")


@contextmanager
def atomic_file(path: Path, replace_existing: bool) -> Iterator[Path]:
    """Yield a path beside `path`; what is written there replaces it unless the block raises.

    Raises CheckpointError where `path` exists and must not be replaced.
    """
    require_free_file(path, replace_existing)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    with cleanup_on_signals(beside.cleanup), beside as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        with unfinished.open("rb+") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(path)
