"""Finds a checkpoint's model behind a prefix of its names, and names a checkpoint of another model.

Training scripts that keep the model as a part of theirs write its name before every tensor's:
`model.`, `sam.`, `net.`. A prefix is taken off only where the rest then is a known family's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.checkpoint.contents import Checkpoint, Leftover
from sam3_ros.export.checkpoint.other_formats import one_file_of, shard_of
from sam3_ros.export.families.foreign import named_by_tensors
from sam3_ros.export.family import Family

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
_DEEPEST = 4


def without_prefix(checkpoint: Checkpoint, families: Iterable[Family]) -> Checkpoint:
    """Return the checkpoint as one of the families names its tensors.

    It is returned as it is where a family takes it so, or takes none of what is left without a
    prefix.
    """
    families = tuple(families)
    if _fits(checkpoint, families):
        return checkpoint
    for stripped in _stripped(checkpoint):
        if _fits(stripped, families):
            return stripped
    return checkpoint


def what_else(checkpoint: Checkpoint) -> str | None:
    """Say what a checkpoint is that no family takes, and what to do; None where it is not known."""
    model = named_by_tensors(checkpoint.shapes)
    if (shard := shard_of(checkpoint.path.name)) is not None:
        number, count = shard
        kind = f" ({model.partition(';')[0]})" if model else ""
        merged = one_file_of(f"all {count}")
        return (
            f"part {number} of {count} of a checkpoint{kind}: its tensors alone are no model; "
            + (model.partition("; ")[2] if model else merged)
        )
    return model


def _fits(checkpoint: Checkpoint, families: Iterable[Family]) -> bool:
    for family in families:
        try:
            family.recognise(checkpoint.shapes, checkpoint.notes)
        except CheckpointError:
            continue
        return True
    return False


def _stripped(checkpoint: Checkpoint) -> Iterator[Checkpoint]:
    """Yield the checkpoint without the first part of its names, then the second, and so on."""
    for _ in range(_DEEPEST):
        by_first: dict[str, list[str]] = {}
        for name in checkpoint.shapes:
            by_first.setdefault(name.partition(".")[0], []).append(name)
        of_model = [first for first in by_first if first not in _BESIDE]
        if len(of_model) != 1:
            return
        prefix = f"{of_model[0]}."
        names = {n: n.removeprefix(prefix) for n in by_first[of_model[0]] if n.startswith(prefix)}
        if len(names) != len(by_first[of_model[0]]):
            return
        beside = tuple(
            Leftover(first, sum(checkpoint.bytes(name) for name in found))
            for first, found in by_first.items()
            if first != of_model[0]
        )
        checkpoint = _renamed(checkpoint, names, prefix, beside)
        yield checkpoint


def _renamed(
    checkpoint: Checkpoint, names: Mapping[str, str], prefix: str, beside: tuple[Leftover, ...]
) -> Checkpoint:
    original = {new: old for old, new in names.items()}
    read = checkpoint.read
    return Checkpoint(
        path=checkpoint.path,
        shapes={new: checkpoint.shapes[old] for old, new in names.items()},
        dtypes={new: checkpoint.dtypes[old] for old, new in names.items()},
        leftovers=(*checkpoint.leftovers, *beside),
        notes=checkpoint.notes,
        read=lambda name: read(original[name]),
        prefix=checkpoint.prefix + prefix,
    )
