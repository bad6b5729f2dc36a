"""A checkpoint without what only training needs, or with fewer layers, as a safetensors file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.checkpoint.contents import Checkpoint, Leftover, is_finite
from sam3_ros.export.checkpoint.file import SAFETENSORS, atomic_file
from sam3_ros.export.checkpoint.safetensors_file import write_safetensors
from sam3_ros.export.commands.inspection import Recognised
from sam3_ros.export.families.sam3_layers import KeptLayers, renamed_by
from sam3_ros.export.family import CONTEXT_NOTE, Family, component_of

#: In the new file's metadata: which layers of a larger model it has.
KEPT_LAYERS = "kept_layers"
PRECISIONS: Mapping[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class Removed:
    """Tensors of a component that the model does not use for inference, or of layers left out."""

    component: str
    tensors: int
    bytes: int


@dataclass(frozen=True)
class SlimReport:
    """What was removed and what is left. The leftovers are gone as well."""

    #: Size of the file before, or of all its shards.
    before_bytes: int
    #: Size of the new file.
    after_bytes: int
    #: Number of tensors in the new file.
    kept: int
    #: Growth of the kept tensors by conversion to another precision; negative where they shrank.
    converted_bytes: int
    removed: tuple[Removed, ...]
    leftovers: tuple[Leftover, ...]


def slim(
    checkpoint: Checkpoint,
    recognised: Recognised,
    target: Path,
    precision: str = "fp32",
    replace_existing: bool = False,
    layers: Sequence[KeptLayers] = (),
) -> SlimReport:
    """Write only the weights, under their names, with one tensor in memory at a time.

    Tensors that a family marks training_only, such as a teacher, are left out. Other tensors that
    no stage needs stay, because the original's own code asks for them. Floating point numbers get
    the precision (of PRECISIONS); integers stay. layers: of stacks that keep some of their layers,
    which are numbered anew; the metadata names them.

    Raises CheckpointError: the target exists or is not a .safetensors file; numbers that are NaN,
    infinite or too large for the precision, naming the tensor.
    """
    if target.suffix != SAFETENSORS:
        raise CheckpointError(f"{target} must end in {SAFETENSORS}")
    family, dtype = recognised.family, PRECISIONS[precision]
    needed = [name for name in checkpoint.shapes if not _for_training(name, family)]
    old = renamed_by(layers, needed)
    contents = {
        new: (checkpoint.shapes[n], _new_dtype(checkpoint, n, dtype)) for new, n in old.items()
    }
    converted_bytes = sum(
        checkpoint.size(old[name]) * (new.itemsize - checkpoint.dtypes[old[name]].itemsize)
        for name, (_, new) in contents.items()
    )
    metadata = _metadata(recognised, {new: shape for new, (shape, _) in contents.items()}, layers)
    before_bytes = checkpoint.file_bytes
    with atomic_file(target, replace_existing) as unfinished:
        write_safetensors(
            unfinished, contents, lambda name: _converted(checkpoint, old[name], dtype), metadata
        )
    return SlimReport(
        before_bytes,
        target.stat().st_size,
        len(contents),
        converted_bytes,
        (*_removed(checkpoint, family), *_left_out(checkpoint, needed, layers)),
        checkpoint.leftovers,
    )


def _metadata(
    recognised: Recognised, shapes: Shapes, layers: Sequence[KeptLayers]
) -> dict[str, str]:
    """Return what the new file says of itself; its sizes are read as an export will read them."""
    family, architecture = recognised.family, recognised.architecture
    size = family.default_input_size(architecture)
    context_length = family.settings(architecture, size).context_length
    notes = {} if context_length is None else {CONTEXT_NOTE: str(context_length)}
    if layers:
        architecture = family.recognise(shapes, notes)
    # The context is among them because the tensors alone may not show it.
    found = {"family": family.name, "variant": architecture.variant, **notes}
    return found | ({KEPT_LAYERS: "; ".join(map(str, layers))} if layers else {})


def _left_out(
    checkpoint: Checkpoint, names: Iterable[str], layers: Iterable[KeptLayers]
) -> Iterator[Removed]:
    """Yield what each stack loses."""
    for each in layers:
        lost = [name for name in names if each.renamed(name) is None]
        if lost:
            count = each.total - len(each.kept)
            what = f"{count} of {each.total} {each.stack}"
            yield Removed(what, len(lost), sum(map(checkpoint.bytes, lost)))


def _for_training(name: str, family: Family) -> bool:
    return any(each.training_only and each.covers(name) for each in family.unneeded)


def _removed(checkpoint: Checkpoint, family: Family) -> tuple[Removed, ...]:
    groups: dict[str, list[str]] = {}
    for name in checkpoint.shapes:
        if _for_training(name, family):
            component = component_of(name, family.components)
            groups.setdefault(component.name if component else name, []).append(name)
    return tuple(
        Removed(component, len(names), sum(map(checkpoint.bytes, names)))
        for component, names in groups.items()
    )


def _new_dtype(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> torch.dtype:
    own = checkpoint.dtypes[name]
    return dtype if own.is_floating_point else own


def _converted(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> Tensor:
    tensor = checkpoint.tensor(name)
    if not is_finite(tensor):
        raise CheckpointError(
            f"{checkpoint.path}: {name} holds NaN or infinite numbers; use another checkpoint"
        )
    converted = tensor.to(_new_dtype(checkpoint, name, dtype))
    if not is_finite(converted):
        raise CheckpointError(
            f"{checkpoint.path}: {name} has numbers up to {tensor.abs().max():.3g}, but the "
            f"largest {str(converted.dtype).removeprefix('torch.')} is "
            f"{torch.finfo(converted.dtype).max:.3g}; use --precision fp32"
        )
    return converted
