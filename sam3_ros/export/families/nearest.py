"""The sizes or the variant of a checkpoint, even where some of its tensors are damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import Shapes, joined_shape, same_shape
from sam3_ros.export.family import Unneeded
from sam3_ros.export.models.likeness import ALIKE
from sam3_ros.export.network import PARTS, Network
from sam3_ros.export.stage import StageModule

Sizes = TypeVar("Sizes")


def nearest_sizes(
    shapes: Shapes,
    read: Callable[[Shapes], Sizes],
    published: Sizes,
    build: Callable[[Sizes], Mapping[str, StageModule]],
) -> Sizes:
    """Return what `read` finds, or the published sizes where more of the tensors fit those.

    So the loader can name a tensor that is missing or transposed, and it does not make every other
    one look wrong. build: makes the stages of given sizes. Raises CheckpointError of `read` where
    the published sizes do not fit either.
    """
    try:
        found = read(shapes)
    except (CheckpointError, ValueError) as error:
        if _likeness(build, published, shapes) < ALIKE:
            raise CheckpointError(str(error)) from error
        return published
    if found == published or (likeness := _likeness(build, found, shapes)) == 1:
        return found
    return found if likeness > _likeness(build, published, shapes) else published


def _likeness(
    build: Callable[[Sizes], Mapping[str, StageModule]], sizes: Sizes, shapes: Shapes
) -> float:
    """Return the share of the stages' tensors that have the checkpoint's shapes, in [0, 1]."""
    try:
        with torch.device("meta"):
            stages = build(sizes)
    except (ValueError, RuntimeError):  # sizes from a damaged tensor, which no stage can have
        return 0.0
    network = Network(stages, dict.fromkeys(stages, PARTS))
    own = network.state_dict()
    fits = [
        all(original in shapes for original in binding.originals)
        and same_shape(
            joined_shape([tuple(own[target].shape) for target in binding.targets]),
            joined_shape([tuple(shapes[original]) for original in binding.originals]),
        )
        for binding in network.bindings()
    ]
    return sum(fits) / len(fits)


def nearest_variant(
    shapes: Shapes, networks: Mapping[str, Network], unneeded: Iterable[Unneeded], family: str
) -> str:
    """Return the variant that has most tensors, by name and shape, in common with the checkpoint.

    networks: one per variant, on any device. Raises CheckpointError where even the nearest shares
    less than ALIKE of all the names in either.
    """
    unneeded = tuple(unneeded)
    found = {name: shape for name, shape in shapes.items() if _counts(name, unneeded)}
    wanted = {variant: _original_shapes(network) for variant, network in networks.items()}
    shared = {variant: _shared(found, own) for variant, own in wanted.items()}
    likeness = {v: shared[v] / len({*found, *own}) for v, own in wanted.items()}
    best = max(likeness, key=lambda variant: likeness[variant])
    if likeness[best] < ALIKE:
        raise CheckpointError(
            f"not a checkpoint of {family} ({', '.join(networks)}): the nearest is {best}; the "
            f"file has {shared[best]} of its {len(wanted[best])} tensors and "
            f"{len(found.keys() - wanted[best].keys())} others; `sam3-ros inspect` shows its "
            f"contents"
        )
    return best


def _counts(name: str, unneeded: tuple[Unneeded, ...]) -> bool:
    return not any(one.covers(name) for one in unneeded)


def _original_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Return shapes by the original's names, of a network that packs none of them."""
    own = network.state_dict()
    return {b.originals[0]: tuple(own[b.targets[0]].shape) for b in network.bindings()}


def _shared(found: Shapes, own: Shapes) -> int:
    return sum(
        name in found and same_shape(tuple(found[name]), shape) for name, shape in own.items()
    )
