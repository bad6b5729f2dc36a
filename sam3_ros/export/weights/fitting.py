"""Whether a checkpoint's tensors fit a network: what is missing, unexpected, of another form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sam3_ros.export.bindings import Binding, joined_shape, same_shape
from sam3_ros.export.checkpoint.contents import Checkpoint, Shape
from sam3_ros.export.family import Component, Family, component_of
from sam3_ros.export.network import Network

KINDS = ("missing", "unexpected", "mis-shaped", "of another type")
NAMES_SHOWN = 4
ELSEWHERE = "of no known component"
FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Misfit:
    """One thing that does not fit. kind: of KINDS. detail: what was expected and what came."""

    kind: str
    name: str
    detail: str = ""


def misfits(network: Network, checkpoint: Checkpoint, family: Family) -> list[Misfit]:
    """Everything in which the checkpoint's names, shapes and types are not the network's."""
    own = network.state_dict(keep_vars=True)
    bindings = network.bindings()
    found = [
        misfit
        for binding in bindings
        for misfit in _of_binding(binding, [own[name] for name in binding.targets], checkpoint)
    ]
    used = {original for binding in bindings for original in binding.originals}
    for name, shape in checkpoint.shapes.items():
        if name not in used and not any(unneeded.covers(name) for unneeded in family.unneeded):
            found.append(Misfit("unexpected", name, f"{list(shape)}"))
    return list(dict.fromkeys(found))  # an original may be bound by several stages


def _of_binding(
    binding: Binding, targets: list[Tensor], checkpoint: Checkpoint
) -> Iterator[Misfit]:
    missing = [name for name in binding.originals if name not in checkpoint.shapes]
    for name in missing:
        yield Misfit("missing", name)
    if missing:
        return
    expected = joined_shape([tuple(target.shape) for target in targets])
    shapes = [checkpoint.shapes[name] for name in binding.originals]
    if expected is None:
        raise ValueError(f"{binding.targets} cannot be put together along axis 0")
    if not same_shape(expected, joined_shape(shapes)):
        yield Misfit("mis-shaped", " + ".join(binding.originals), _compared(expected, shapes))
    for name in binding.originals:
        dtype, wanted = checkpoint.dtypes[name], targets[0].dtype
        if dtype != wanted and not (dtype in FLOATING and wanted in FLOATING):
            yield Misfit(
                "of another type", name, f"{_plain(wanted)} expected, {_plain(dtype)} came"
            )


def _compared(expected: Shape, shapes: list[Shape]) -> str:
    came = " and ".join(str(list(shape)) for shape in shapes)
    transposed = len(shapes) == 1 and len(expected) > 1 and shapes[0][::-1] == expected
    return f"{list(expected)} expected, {came} came{': it is transposed' if transposed else ''}"


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def listed(found: Iterable[Misfit], components: tuple[Component, ...]) -> str:
    """Lines: a component each, and in it every kind with its count and the first names."""
    groups: dict[str, dict[str, list[Misfit]]] = {}
    for misfit in found:
        component = component_of(misfit.name, components)
        kinds = groups.setdefault(component.name if component else ELSEWHERE, {})
        kinds.setdefault(misfit.kind, []).append(misfit)
    return "\n".join(f"  {name}: {_of_component(kinds)}" for name, kinds in groups.items())


def _of_component(kinds: Mapping[str, list[Misfit]]) -> str:
    return "; ".join(f"{len(kinds[k])} {k} ({_first(kinds[k])})" for k in KINDS if k in kinds)


def _first(found: list[Misfit]) -> str:
    shown = [" ".join(filter(None, (m.name, m.detail))) for m in found[:NAMES_SHOWN]]
    more = f", and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return ", ".join(shown) + more
