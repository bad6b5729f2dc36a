"""The two sides of a binding, each put together along axis 0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sam3_ros.export.weights.names import Binding

Shape = tuple[int, ...]


def joined_shape(shapes: Sequence[Shape]) -> Shape | None:
    """The shape of these tensors put together along axis 0; None where they do not fit."""
    first, *others = shapes
    if not others:
        return tuple(first)
    if not all(shape and shape[1:] == first[1:] for shape in shapes):
        return None
    return (sum(shape[0] for shape in shapes), *first[1:])


def same_shape(one: Shape | None, other: Shape | None) -> bool:
    """Whether two shapes are the same, a single number being one with or without an axis.

    A batch norm's count that was saved by way of numpy comes as [1], PyTorch's own is a scalar.
    """
    return one == other or {one, other} == {(), (1,)}


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors put together along axis 0; a single one as it is, not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def split(whole: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Views of `whole`, one after the other along axis 0, of these shapes."""
    if len(shapes) == 1:
        return [whole.reshape(shapes[0])]
    return list(whole.split([shape[0] for shape in shapes]))


def original_shapes(binding: Binding, targets: Sequence[Tensor]) -> list[Shape]:
    """Shapes of the originals, which share what the targets hold in equal parts.

    Raises ValueError where the targets cannot be put together, or not shared in equal parts.
    """
    shape = joined_shape([tuple(target.shape) for target in targets])
    count = len(binding.originals)
    if shape is None or (count > 1 and (not shape or shape[0] % count)):
        found = [tuple(target.shape) for target in targets]
        raise ValueError(f"{binding.targets} {found} cannot be {count} originals")
    return [shape] if count == 1 else [(shape[0] // count, *shape[1:])] * count
