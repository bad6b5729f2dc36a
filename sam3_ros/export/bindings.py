"""How parameters of our modules correspond to tensors of the original's checkpoint.

transformers keeps q, k and v apart where the original packs them into one `in_proj_weight`, and
packs some that the original keeps apart. So a binding joins several tensors on either side: the
targets joined along axis 0 are the originals joined along axis 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: At the end of an original name: "our tensor is part n of it along axis 0".
PART = "#"

Rule = tuple[str, str | tuple[str, ...]]

Shape = tuple[int, ...]
#: Shapes of tensors by name.
Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class NameRules:
    r"""Names of our tensors in the checkpoint.

    The first rule whose expression matches the whole name wins. The replacement may use groups
    (`\1`, `\g<name>`). It ends in `#0`, `#1`, ... where our tensor is that part of a packed
    original, and it is a tuple where our tensor packs several originals, in that order.
    """

    #: Pairs of a regular expression for our name and its replacement.
    rules: tuple[Rule, ...]

    def originals(self, name: str) -> tuple[str, ...]:
        """Return the name or names in the checkpoint, with their part mark. Raises KeyError."""
        for pattern, replacement in self.rules:
            if match := re.fullmatch(pattern, name):
                templates = (replacement,) if isinstance(replacement, str) else replacement
                return tuple(match.expand(template) for template in templates)
        raise KeyError(f"no rule gives the name of {name!r} in a checkpoint")

    def under(self, prefix: str) -> NameRules:
        """Return the same rules for a module whose originals are below `prefix`."""

        def below(replacement: str | tuple[str, ...]) -> str | tuple[str, ...]:
            if isinstance(replacement, str):
                return prefix + replacement
            return tuple(prefix + one for one in replacement)

        return NameRules(tuple((pattern, below(to)) for pattern, to in self.rules))


#: For modules that were written with the original's names.
SAME_NAMES = NameRules(((r"(.*)", r"\1"),))


@dataclass(frozen=True)
class Binding:
    """Targets and originals that hold the same numbers: each side joined along axis 0."""

    #: Full names of our tensors.
    targets: tuple[str, ...]
    #: Names in the checkpoint.
    originals: tuple[str, ...]


def bindings(names: Iterable[tuple[str, NameRules, str]]) -> list[Binding]:
    """Return bindings for (full target name, rules, name within its module).

    A parameter that two modules share appears under both names; each gets its own binding. Raises
    KeyError for a name without a rule, ValueError for a packed original with a part missing or
    named twice.
    """
    parts: dict[tuple[str, str], dict[int, str]] = {}
    found: list[Binding] = []
    for target, rules, local in names:
        originals = rules.originals(local)
        if len(originals) == 1 and PART in originals[0]:
            original, _, part = originals[0].rpartition(PART)
            owner = target.removesuffix(local)
            group = parts.setdefault((owner, original), {})
            if int(part) in group:
                raise ValueError(f"{target} and {group[int(part)]} both claim {originals[0]}")
            group[int(part)] = target
        else:
            found.append(Binding((target,), originals))
    for (_, original), group in parts.items():
        if sorted(group) != list(range(len(group))) or len(group) < 2:
            raise ValueError(f"{original}: only the parts {sorted(group)} have a target")
        found.append(Binding(tuple(group[index] for index in sorted(group)), (original,)))
    return found


def joined_shape(shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape of tensors joined along axis 0; None where they cannot be joined."""
    first, *others = shapes
    if not others:
        return tuple(first)
    if not all(shape and shape[1:] == first[1:] for shape in shapes):
        return None
    return (sum(shape[0] for shape in shapes), *first[1:])


def same_shape(one: Shape | None, other: Shape | None) -> bool:
    """Return whether two shapes are equal; a single number may have an axis or not.

    A batch norm's count that was saved through numpy has the shape [1], PyTorch's own is a scalar.
    """
    return one == other or {one, other} == {(), (1,)}


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors joined along axis 0; a single one as it is, not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def split(whole: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Return views of `whole`, consecutive along axis 0, with these shapes."""
    if len(shapes) == 1:
        return [whole.reshape(shapes[0])]
    return list(whole.split([shape[0] for shape in shapes]))


def original_shapes(binding: Binding, targets: Sequence[Tensor]) -> list[Shape]:
    """Return the shapes of the originals, which divide the joined targets into equal parts.

    Raises ValueError where the targets cannot be joined or divided into equal parts.
    """
    shape = joined_shape([tuple(target.shape) for target in targets])
    count = len(binding.originals)
    if shape is None or (count > 1 and (not shape or shape[0] % count)):
        found = [tuple(target.shape) for target in targets]
        raise ValueError(
            f"{binding.targets} {found} cannot be divided into {count} equal originals"
        )
    return [shape] if count == 1 else [(shape[0] // count, *shape[1:])] * count
