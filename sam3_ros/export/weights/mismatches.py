"""Where a checkpoint's tensors do not fit a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sam3_ros.export.bindings import Binding, joined_shape, same_shape
from sam3_ros.export.checkpoint.contents import Checkpoint, Shape
from sam3_ros.export.family import Component, Family, component_of, unneeded_in
from sam3_ros.export.network import Network

KINDS = ("missing", "unexpected", "mis-shaped", "of another type")
NAMES_SHOWN = 4
ELSEWHERE = "of no known component"
FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Mismatch:
    """One difference between a checkpoint and a network."""

    #: One of KINDS.
    kind: str
    #: The tensor or tensors, by the original's names.
    name: str
    #: What was expected and what came.
    detail: str = ""


def mismatches(network: Network, checkpoint: Checkpoint, family: Family) -> list[Mismatch]:
    """Return every difference in names, shapes and types between checkpoint and network."""
    own = network.state_dict(keep_vars=True)
    bindings = network.bindings()
    found = [
        mismatch
        for binding in bindings
        for mismatch in _of_binding(binding, [own[name] for name in binding.targets], checkpoint)
    ]
    used = {original for binding in bindings for original in binding.originals}
    not_needed = unneeded_in(checkpoint.shapes, family.unneeded)
    for name, shape in checkpoint.shapes.items():
        if name not in used and not any(each.covers(name) for each in not_needed):
            found.append(Mismatch("unexpected", name, f"{list(shape)}"))
    return list(dict.fromkeys(found))  # an original may be bound by several stages


def _of_binding(
    binding: Binding, targets: list[Tensor], checkpoint: Checkpoint
) -> Iterator[Mismatch]:
    missing = [name for name in binding.originals if name not in checkpoint.shapes]
    for name in missing:
        yield Mismatch("missing", name)
    if missing:
        return
    expected = joined_shape([tuple(target.shape) for target in targets])
    shapes = [checkpoint.shapes[name] for name in binding.originals]
    if expected is None:
        raise ValueError(f"{binding.targets} cannot be joined along axis 0")
    if not same_shape(expected, joined_shape(shapes)):
        yield Mismatch("mis-shaped", " + ".join(binding.originals), _compared(expected, shapes))
    for name in binding.originals:
        dtype, wanted = checkpoint.dtypes[name], targets[0].dtype
        if dtype != wanted and not (dtype in FLOATING and wanted in FLOATING):
            yield Mismatch(
                "of another type", name, f"{_plain(wanted)} expected, {_plain(dtype)} came"
            )


def _compared(expected: Shape, shapes: list[Shape]) -> str:
    came = " and ".join(str(list(shape)) for shape in shapes)
    transposed = len(shapes) == 1 and len(expected) > 1 and shapes[0][::-1] == expected
    return f"{list(expected)} expected, {came} came{': it is transposed' if transposed else ''}"


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def listing_by_component(found: Iterable[Mismatch], components: tuple[Component, ...]) -> str:
    """Return one line for each component: every kind with its count and the first names."""
    groups: dict[str, dict[str, list[Mismatch]]] = {}
    for mismatch in found:
        component = component_of(mismatch.name, components)
        kinds = groups.setdefault(component.name if component else ELSEWHERE, {})
        kinds.setdefault(mismatch.kind, []).append(mismatch)
    return "\n".join(f"  {name}: {_of_component(kinds)}" for name, kinds in groups.items())


def _of_component(kinds: Mapping[str, list[Mismatch]]) -> str:
    return "; ".join(f"{len(kinds[k])} {k} ({_first(kinds[k])})" for k in KINDS if k in kinds)


def _first(found: list[Mismatch]) -> str:
    shown = [" ".join(filter(None, (m.name, m.detail))) for m in found[:NAMES_SHOWN]]
    more = f", and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return ", ".join(shown) + more
