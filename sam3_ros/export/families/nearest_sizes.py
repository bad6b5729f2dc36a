"""Sizes read from a checkpoint, also where the tensor that shows a size is damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.family import Shapes
from sam3_ros.export.network import PARTS, Network
from sam3_ros.export.stage import Stage
from sam3_ros.export.weights.joining import joined_shape, same_shape

#: Alike enough that the loader can say what is wrong, rather than "this is another model".
ALIKE = 0.9

Sizes = TypeVar("Sizes")


def nearest_sizes(
    shapes: Shapes,
    read: Callable[[Shapes], Sizes],
    published: Sizes,
    build: Callable[[Sizes], Mapping[str, Stage]],
) -> Sizes:
    """What `read` finds, or the published sizes where more of the tensors fit those.

    So a tensor that is missing or transposed is named by the loader, and does not make every other
    one look wrong. build: the stages of these sizes. Raises CheckpointError of `read` where the
    published sizes do not fit either.
    """
    try:
        found = read(shapes)
    except (CheckpointError, ValueError) as error:
        if _likeness(build, published, shapes) < ALIKE:
            raise CheckpointError(str(error)) from error
        return published
    if found == published or _likeness(build, found, shapes) > _likeness(build, published, shapes):
        return found
    return published


def _likeness(build: Callable[[Sizes], Mapping[str, Stage]], sizes: Sizes, shapes: Shapes) -> float:
    """Which part of the stages' tensors have the checkpoint's shapes, in [0, 1]."""
    try:
        with torch.device("meta"):
            stages = build(sizes)
    except (ValueError, RuntimeError):  # sizes of a damaged tensor, of which nothing can be made
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
