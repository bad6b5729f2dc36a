"""Which of a family's variants a checkpoint holds, also where some of its tensors are damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.family import Shapes, Unneeded
from sam3_ros.export.network import Network
from sam3_ros.export.weights.joining import same_shape

#: Alike enough that the loader can say what is wrong, rather than "this is another model".
ALIKE = 0.9


def nearest_variant(
    shapes: Shapes, networks: Mapping[str, Network], unneeded: Iterable[Unneeded], family: str
) -> str:
    """The variant that has most tensors, by name and shape, in common with the checkpoint.

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
            f"not a checkpoint of {family} ({', '.join(networks)}): the nearest is {best}, and the "
            f"file has {shared[best]} of its {len(wanted[best])} tensors and "
            f"{len(found.keys() - wanted[best].keys())} others; `sam3-ros inspect` shows what it "
            f"holds"
        )
    return best


def _counts(name: str, unneeded: tuple[Unneeded, ...]) -> bool:
    return not any(one.covers(name) for one in unneeded)


def _original_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shapes by the original's names, of a network that packs none of them."""
    own = network.state_dict()
    return {b.originals[0]: tuple(own[b.targets[0]].shape) for b in network.bindings()}


def _shared(found: Shapes, own: Shapes) -> int:
    return sum(
        name in found and same_shape(tuple(found[name]), shape) for name, shape in own.items()
    )
