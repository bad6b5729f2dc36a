"""From a checkpoint's own names and layout to the original's, tensor by tensor.

A rule gives for a name of the file the name of the original's tensor, and how the one becomes the
other. What no rule covers keeps its name, so that strict loading refuses it by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.bindings import PART, Shape, joined_shape
from sam3_ros.export.checkpoint.contents import Checkpoint

#: How a tensor of the file becomes the original's: as it is; transposed; behind a row of zeros
#: that the form leaves out; or one of its rows each, whose number replaces ROW in the new name.
How = Literal["same", "transposed", "behind_zeros", "rows"]
ROW = "{row}"


@dataclass(frozen=True)
class Rewrite:
    r"""A rule for names of a file."""

    #: A regular expression for the whole name.
    pattern: str
    #: The original's name, which may use groups. It ends in `#0`, `#1`, ... where the tensor is
    #: that part of the original along axis 0.
    name: str
    how: How = "same"


@dataclass(frozen=True)
class _Made:
    """An original's tensor, and what makes it."""

    sources: tuple[str, ...]
    shape: Shape
    make: Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class _Piece:
    source: str
    how: How
    #: Of the original's tensor or, with "rows", of the source.
    part: int = 0


def rewritten(checkpoint: Checkpoint, rules: Iterable[Rewrite], form: str) -> Checkpoint:
    """Return a checkpoint with the original's names and layout.

    form: whose names the file has. A packed tensor with a part missing or of another shape is left
    out, and its parts keep their names. Reading a tensor that the file has twice raises
    CheckpointError where the two differ.
    """
    rules = tuple(rules)
    pieces: dict[str, list[_Piece]] = {}
    for source, shape in checkpoint.shapes.items():
        for name, piece in _pieces(source, shape, rules):
            pieces.setdefault(name, []).append(piece)
    made: dict[str, _Made] = {}
    for name, group in pieces.items():
        made |= _whole(name, group, checkpoint.shapes)
    return replace(
        checkpoint,
        shapes={name: each.shape for name, each in made.items()},
        dtypes={name: _dtype(each.sources, checkpoint.dtypes) for name, each in made.items()},
        read=lambda name: made[name].make([checkpoint.read(each) for each in made[name].sources]),
        form=form,
    )


def _pieces(source: str, shape: Shape, rules: tuple[Rewrite, ...]) -> list[tuple[str, _Piece]]:
    """Return what a tensor of the file is, or is a piece of: the original's names and the piece."""
    for rule in rules:
        if match := re.fullmatch(rule.pattern, source):
            name = match.expand(rule.name)
            if rule.how == "rows":
                rows = range(shape[0] if shape else 0)
                return [(name.replace(ROW, str(row)), _Piece(source, "rows", row)) for row in rows]
            name, _, part = name.partition(PART)
            return [(name, _Piece(source, rule.how, int(part or 0)))]
    return [(source, _Piece(source, "same"))]


def _whole(name: str, pieces: list[_Piece], shapes: Mapping[str, Shape]) -> dict[str, _Made]:
    """Return the original's tensor, or its pieces under their own names where it is not whole."""
    first = pieces[0]
    sources = tuple(piece.source for piece in pieces)
    shape = shapes[first.source]
    if first.how == "rows":
        return {name: _Made(sources[:1], (1, *shape[1:]), _row(first.part))}
    if first.how == "transposed":
        return {name: _Made(sources[:1], shape[::-1], lambda found: found[0].T)}
    if first.how == "behind_zeros" and len(shape) == _TABLE_AXES:
        made = _Made(sources[:1], (shape[0], shape[1] + 1, shape[2]), _behind_zeros)
        return {name: made}
    parts = sorted(pieces, key=lambda piece: piece.part)
    if [piece.part for piece in parts] == [0] * len(parts):
        return {name: _Made(sources, shape, _equal(name, sources))}
    ordered = tuple(piece.source for piece in parts)
    joined = joined_shape([shapes[source] for source in ordered])
    if joined is None or [piece.part for piece in parts] != [*range(_QUERY_KEY_VALUE)]:
        return {s: _Made((s,), shapes[s], lambda found: found[0]) for s in ordered}
    return {name: _Made(ordered, joined, lambda found: torch.cat(list(found)))}


#: Axes of a table of positions: one picture, places, channels.
_TABLE_AXES = 3
#: Parts of every packed projection.
_QUERY_KEY_VALUE = 3


def _row(number: int) -> Callable[[Sequence[Tensor]], Tensor]:
    return lambda found: found[0][number : number + 1]


def _behind_zeros(found: Sequence[Tensor]) -> Tensor:
    (table,) = found
    return torch.cat([table.new_zeros(table.shape[0], 1, table.shape[2]), table], dim=1)


def _equal(name: str, sources: tuple[str, ...]) -> Callable[[Sequence[Tensor]], Tensor]:
    """Return what gives the one tensor, or refuses two that should be the same and are not."""

    def make(found: Sequence[Tensor]) -> Tensor:
        for source, tensor in zip(sources[1:], found[1:], strict=True):
            if not torch.equal(tensor, found[0]):
                raise CheckpointError(
                    f"{sources[0]} and {source} are both {name} and hold different numbers; save "
                    f"the model again"
                )
        return found[0]

    return make


def _dtype(sources: tuple[str, ...], dtypes: Mapping[str, torch.dtype]) -> torch.dtype:
    return reduce(torch.promote_types, (dtypes[source] for source in sources))
