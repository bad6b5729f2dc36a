"""PyTorch's own file format (since 1.6): a zip archive with a restricted pickle in it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.checkpoint.nesting import notes_of, split_off_model
from sam3_ros.export.checkpoint.numpy_numbers import NUMPY_NUMBERS


def is_archive(path: Path) -> bool:
    """Return whether a file starts as a zip archive does."""
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def read_torch_file(path: Path) -> Checkpoint:
    """Return the model of the archive, mapped into memory.

    Raises CheckpointError, see open_checkpoint.
    """
    _check_archive(path)
    try:
        document = _load(path)
        found = split_off_model(document)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    model = found.model
    return Checkpoint(
        path,
        {name: tuple(tensor.shape) for name, tensor in model.items()},
        {name: tensor.dtype for name, tensor in model.items()},
        found.leftovers,
        {**notes_of(document), "file": path.name},
        lambda name: model[name].detach(),
        place=found.place,
    )


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path} is cut short: the table at the end of a PyTorch file is missing "
            f"({path.stat().st_size:,} bytes are here); fetch it again"
        ) from error
    names = {record.filename.partition("/")[2] for record in records}
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript program and not weights, so it is refused; save the "
            f"module's state_dict with torch.save"
        )
    if "data.pkl" not in names:
        entries = {record.filename for record in records}
        raise CheckpointError(f"{path} {_other_archive(names | entries)}")
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise CheckpointError(
            f"{path} is a compressed archive, which cannot be mapped into memory; use "
            f"the file as torch.save wrote it"
        )


def _other_archive(names: set[str]) -> str:
    """Say what a zip archive is; names: of its entries, and without the first folder."""
    if any(name.startswith(("models/", "data/weights/")) for name in names):
        return (
            "is a program of torch.export and not weights, so it is refused; save the module's "
            "state_dict with torch.save"
        )
    original = "take the weights that the model's authors publish for PyTorch"
    if "model.weights.h5" in names:
        return f"is a Keras model; {original}"
    if any(name.endswith(".npy") for name in names):
        return f"is an archive of NumPy arrays and not a checkpoint; {original}"
    return "is a zip archive, but not a PyTorch file; unpack it first"


def _load(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{_written_by(path)} holds more than tensors and plain values: {_objects(path)}. "
            f"Loading such an object runs code, so it is refused; where you trust the file, load "
            f"it with torch.load(FILE, weights_only=False), and write "
            f'torch.save({{"model": STATE_DICT}}, NEW_FILE)'
        ) from error
    except Exception as error:  # what a damaged pickle raises depends on the byte
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"the file is damaged ({reason}); fetch it again") from error


#: Who writes a file with objects of these packages.
_WRITERS = {
    "ultralytics": "a model of Ultralytics (YOLO, FastSAM), which",
    "pytorch_lightning": "a file of Lightning, which",
    "lightning_fabric": "a file of Lightning, which",
    "lightning": "a file of Lightning, which",
    "transformers": "a file of transformers' trainer, which",
    "omegaconf": "a training script's file, which",
    "argparse": "a training script's file, which",
    "torch.nn": "a whole module, saved with torch.save(MODULE), which",
}


def _written_by(path: Path) -> str:
    """Return the subject of a sentence on what a file holds."""
    named = _named(path)
    for package, what in _WRITERS.items():
        if any(name == package or name.startswith(f"{package}.") for name in named):
            return what
    return "the file"


def _objects(path: Path) -> str:
    return ", ".join(_named(path)[:5]) or "a pickle that cannot be followed"


def _named(path: Path) -> list[str]:
    """Return the classes and functions that the pickle names, found without running it."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    except Exception:  # a pickle that cannot even be listed
        return []
