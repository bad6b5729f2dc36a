"""How a checkpoint is kept, in words: whose names, in which entry, in how many files, as what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sam3_ros.export.checkpoint.contents import Checkpoint
from sam3_ros.export.checkpoint.nesting import AVERAGES


def form_of(checkpoint: Checkpoint) -> str:
    """Return whose names a file has and where the model lies in it.

    Of a training's weights and an average of them, it says which was taken.
    """
    said = [checkpoint.form or "the original's names"]
    if checkpoint.prefix:
        said.append(f"behind the prefix {checkpoint.prefix}")
    if checkpoint.place:
        keys = [*checkpoint.place.split("."), *checkpoint.prefix.split(".")]
        average = ", an average of the weights" if set(keys) & set(AVERAGES) else ""
        said.append(f"in the entry `{checkpoint.place}`{average}")
    left = [rest.name for rest in checkpoint.leftovers if rest.name in AVERAGES and rest.bytes]
    if left:
        said.append(f"the average in `{left[0]}` is left out: to export it, save it alone")
    if checkpoint.shards:
        said.append(f"in {len(checkpoint.shards)} files")
    return "; ".join(said)


def storage_of(checkpoint: Checkpoint, names: Iterable[str]) -> str:
    """Return the types of some tensors, such as `float32` or `bfloat16 (1402), float32 (11)`.

    Integers, which count or index, do not count.
    """
    types = Counter(
        str(dtype).removeprefix("torch.")
        for name in names
        if (dtype := checkpoint.dtypes[name]).is_floating_point
    )
    if len(types) == 1:
        return next(iter(types))
    return ", ".join(f"{each} ({count})" for each, count in types.most_common())
