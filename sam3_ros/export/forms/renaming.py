"""A checkpoint with other names for its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint


def renamed(checkpoint: Checkpoint, names: Mapping[str, str]) -> Checkpoint:
    """Return the checkpoint with the tensors that `names` lists, by its new names.

    names: new name by old name, in the order of the result. Raises CheckpointError where two get
    the same name.
    """
    original: dict[str, str] = {}
    for old, new in names.items():
        if new in original:
            raise CheckpointError(
                f"{checkpoint.path}: {original[new]} and {old} are both {new} to the original; "
                f"save one model alone"
            )
        original[new] = old
    read = checkpoint.read
    return replace(
        checkpoint,
        shapes={new: checkpoint.shapes[old] for old, new in names.items()},
        dtypes={new: checkpoint.dtypes[old] for old, new in names.items()},
        read=lambda name: read(original[name]),
    )
