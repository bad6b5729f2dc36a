"""Finds a checkpoint's model behind a prefix and other names, and names one of another model.

Training scripts that keep the model as a part of theirs write its name before every tensor's:
`model.`, `sam.`, `net.`. A prefix is taken off only where the rest then is a known family's. Names
of another code than the original's become the original's first (export/forms).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.checkpoint.contents import Checkpoint, Leftover
from sam3_ros.export.checkpoint.file import open_checkpoint
from sam3_ros.export.checkpoint.shards import (
    all_names,
    how_to_read,
    shard_of,
    tensors_listed,
)
from sam3_ros.export.families.foreign import named_by_tensors
from sam3_ros.export.family import Family
from sam3_ros.export.forms.in_original_names import in_original_names
from sam3_ros.export.forms.renaming import renamed

#: First names of what a training keeps beside its model.
_BESIDE = frozenset(
    {
        "criterion",
        "ema",
        "ema_model",
        "loss",
        "losses",
        "matcher",
        "metric",
        "metrics",
        "model_ema",
        "optimizer",
        "teacher",
        "train_metrics",
        "val_metrics",
    }
)
#: First names of SAM 3's parts: a damaged model is not taken for one of its parts alone.
_OF_THE_MODEL = frozenset(
    {"detector", "tracker", "detector_model", "tracker_model", "tracker_neck"}
)
_DEEPEST = 4
#: First parts that are tried; more have no model behind one of them.
_PARTS = 6


def without_prefix(checkpoint: Checkpoint, families: Iterable[Family]) -> Checkpoint:
    """Return the checkpoint as one of the families names its tensors.

    It keeps its prefix where a family takes it so, or takes none of what is left without a prefix.
    Raises CheckpointError where several models are in it.
    """
    families = tuple(families)
    checkpoint = in_original_names(checkpoint)
    if _fits(checkpoint, families):
        return checkpoint
    return _stripped(checkpoint, families) or checkpoint


def open_known(path: Path) -> Checkpoint:
    """Open a checkpoint; an index without its files is named as the other model that it is of.

    Raises CheckpointError, see open_checkpoint.
    """
    try:
        return open_checkpoint(path)
    except CheckpointError as error:
        names = dict.fromkeys(tensors_listed(path), ())
        model = None if _in_known_form(path, names) else named_by_tensors(names)
        if model is None:
            raise
        kind = "a folder with shards" if path.is_dir() else "the index"
        raise CheckpointError(f"{path} is {kind} of {model}") from error


def _in_known_form(path: Path, names: Shapes) -> bool:
    """Return whether the names in an index are of a form that is read."""
    types = dict.fromkeys(names, torch.float32)
    listed = Checkpoint(path, names, types, (), {}, lambda name: torch.zeros(names[name]))
    return bool(in_original_names(listed).form)


def what_else(checkpoint: Checkpoint) -> str | None:
    """Say what a checkpoint is that no family takes, and what to do; None where it is not known."""
    if (shard := shard_of(checkpoint.path.name)) is None:
        return named_by_tensors(checkpoint.shapes)
    number, count = shard
    names = all_names(checkpoint.path) or tuple(checkpoint.shapes)
    model = named_by_tensors({name: checkpoint.shapes.get(name, ()) for name in names})
    kind = f" ({model.partition(';')[0]})" if model else ""
    return f"part {number} of {count} of a checkpoint{kind}: its tensors alone are no model; " + (
        model.partition("; ")[2] if model else how_to_read(checkpoint.path)
    )


def _fits(checkpoint: Checkpoint, families: Iterable[Family]) -> bool:
    for family in families:
        try:
            family.recognise(checkpoint.shapes, checkpoint.notes)
        except CheckpointError:
            continue
        return True
    return False


def _stripped(checkpoint: Checkpoint, families: Iterable[Family]) -> Checkpoint | None:
    """Return what fits a family behind the first part of its names, or the second, and so on.

    The other first parts then stand beside the model. Raises CheckpointError where several fit.
    """
    families = tuple(families)
    for _ in range(_DEEPEST):
        parts = {
            first: in_original_names(_below(checkpoint, first))
            for first in _first_parts(checkpoint)
        }
        fitting = [first for first, part in parts.items() if _fits(part, families)]
        models = [first for first in fitting if first not in _BESIDE] or fitting
        if len(models) > 1:
            raise CheckpointError(
                f"{checkpoint.path} holds several models ({', '.join(models)}); save the one to "
                f"use alone"
            )
        if models:
            return parts[models[0]]
        if not parts:
            return None
        checkpoint = next(iter(parts.values()))
    return None


def _first_parts(checkpoint: Checkpoint) -> list[str]:
    """Return the first parts that may stand before a model's names, the likeliest first."""
    counts = Counter(name.partition(".")[0] for name in checkpoint.shapes if "." in name)
    counts = Counter({first: n for first, n in counts.items() if first not in _OF_THE_MODEL})
    ranked = sorted(counts, key=lambda first: (first in _BESIDE, -counts[first]))
    return ranked[:_PARTS]


def _below(checkpoint: Checkpoint, first: str) -> Checkpoint:
    prefix = f"{first}."
    names = {name: name.removeprefix(prefix) for name in checkpoint.shapes}
    names = {old: new for old, new in names.items() if new and new != old}
    others: dict[str, int] = {}
    for name in checkpoint.shapes:
        if name not in names:
            other = name.partition(".")[0]
            others[other] = others.get(other, 0) + checkpoint.bytes(name)
    beside = tuple(Leftover(other, size) for other, size in others.items())
    return replace(
        renamed(checkpoint, names),
        leftovers=(*checkpoint.leftovers, *beside),
        prefix=checkpoint.prefix + prefix,
    )
