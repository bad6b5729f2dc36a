"""What a checkpoint holds, component by component, and which family of models it belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.export.checkpoint.contents import Checkpoint, Leftover
from sam3_ros.export.family import Architecture, Component, Family, component_of, unneeded_in
from sam3_ros.export.network import Network, Part
from sam3_ros.export.weights.loading import why_unfit
from sam3_ros.export.weights.recognition import what_else

#: Between a component and its part, in names.
PART = " / "
#: The row of tensors that belong to no component.
UNEXPECTED = Component("not of this family", "", "")


@dataclass(frozen=True)
class Recognised:
    """The family of a checkpoint, and its sizes."""

    family: Family
    architecture: Architecture


@dataclass(frozen=True)
class Unused:
    """Tensors of a component that no stage uses."""

    #: Why no stage uses them.
    reason: str
    tensors: int
    #: Every number of theirs, buffers included.
    parameters: int


@dataclass(frozen=True)
class ComponentRow:
    """Tensors of one component."""

    name: str
    prefix: str
    #: Names of stages, or "" where nothing of it is exported.
    exported_as: str
    tensors: int
    #: Every number of theirs, buffers included.
    parameters: int
    bytes: int
    unused: tuple[Unused, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether a stage uses any of its tensors."""
        return sum(unused.tensors for unused in self.unused) < self.tensors


@dataclass(frozen=True)
class Inspection:
    """A checkpoint's table."""

    rows: tuple[ComponentRow, ...]
    recognised: Recognised | None
    #: Reasons by family; empty where the checkpoint was recognised.
    refusals: Mapping[str, str]
    #: Number of tensors by type.
    dtypes: Mapping[str, int]
    leftovers: tuple[Leftover, ...]
    #: What the checkpoint is and what to do where no family takes it; None where that is not known.
    other: str | None = None
    #: Which tensors are missing, unexpected or of another shape or type; None where all fit.
    unfit: str | None = None
    #: What the tensors are enough for; empty where the checkpoint was not recognised.
    parts: tuple[Part, ...] = ()

    @property
    def total(self) -> ComponentRow:
        """All rows together."""
        return summed("total", self.rows)


def families_to_try(families: Mapping[str, Family], name: str | None) -> Mapping[str, Family]:
    """Return the family of that name, or all for None. Raises ExportError for an unknown name."""
    if name is None:
        return families
    if name not in families:
        raise ExportError(
            f"unknown family {name!r}; known: {', '.join(families)}{did_you_mean(name, families)}"
        )
    return {name: families[name]}


def recognise(checkpoint: Checkpoint, families: Mapping[str, Family]) -> Recognised:
    """Return the one family that takes the checkpoint.

    Raises CheckpointError where none does, with the reason of each, or where several do.
    """
    found, refusals = _try_all(checkpoint, families)
    if found is None:
        raise CheckpointError(refusal(checkpoint, refusals, what_else(checkpoint)))
    return found


def refusal(checkpoint: Checkpoint, refusals: Mapping[str, str], other: str | None) -> str:
    """Say why no family takes a checkpoint: what it is, or the reason of each."""
    if other is not None:
        return f"{checkpoint.path} is {other}"
    reasons = "\n".join(f"  {name}: {reason}" for name, reason in refusals.items())
    return f"{checkpoint.path} fits no known family:\n{reasons}"


def inspect(checkpoint: Checkpoint, families: Mapping[str, Family]) -> Inspection:
    """Return the table by the components of the checkpoint's family.

    Where it has no family, the rows are by first names. families: those to try; one, where the
    caller knows it. Raises CheckpointError where several take the checkpoint.
    """
    recognised, refusals = _try_all(checkpoint, families)
    if recognised is None:
        rows = _rows(checkpoint, _by_first_name(checkpoint), None)
    else:
        rows = _rows(checkpoint, recognised.family.components, recognised.family)
    dtypes = Counter(str(dtype).removeprefix("torch.") for dtype in checkpoint.dtypes.values())
    other = None if recognised else what_else(checkpoint)
    network = _network(recognised) if recognised else None
    unfit = why_unfit(network, checkpoint, recognised.family) if recognised and network else None
    parts = network.parts if network else ()
    return Inspection(rows, recognised, refusals, dtypes, checkpoint.leftovers, other, unfit, parts)


def _network(recognised: Recognised) -> Network:
    """Return the network of a checkpoint, without its numbers."""
    family, architecture = recognised.family, recognised.architecture
    with torch.device("meta"):
        return family.build(architecture, family.default_input_size(architecture))


def summed(name: str, rows: Iterable[ComponentRow]) -> ComponentRow:
    """Return one row that sums others."""
    rows = tuple(rows)
    return ComponentRow(
        name,
        "",
        "",
        sum(row.tensors for row in rows),
        sum(row.parameters for row in rows),
        sum(row.bytes for row in rows),
    )


def _try_all(
    checkpoint: Checkpoint, families: Mapping[str, Family]
) -> tuple[Recognised | None, dict[str, str]]:
    found: list[Recognised] = []
    refusals: dict[str, str] = {}
    for name, family in families.items():
        tried = _try(checkpoint, family)
        if isinstance(tried, Recognised):
            found.append(tried)
        else:
            refusals[name] = " ".join(str(tried).split())
    if len(found) > 1:
        names = ", ".join(recognised.family.name for recognised in found)
        raise CheckpointError(f"{checkpoint.path} fits {names}; choose one with --family")
    return (found[0], {}) if found else (None, refusals)


def _try(checkpoint: Checkpoint, family: Family) -> Recognised | CheckpointError:
    try:
        return Recognised(family, family.recognise(checkpoint.shapes, checkpoint.notes))
    except CheckpointError as error:
        return error


def _by_first_name(checkpoint: Checkpoint) -> tuple[Component, ...]:
    first = dict.fromkeys(name.split(".")[0] for name in checkpoint.shapes)
    return tuple(Component(name, name, "") for name in first)


def _rows(
    checkpoint: Checkpoint, components: Iterable[Component], family: Family | None
) -> tuple[ComponentRow, ...]:
    components = tuple(components)
    members: dict[Component, list[str]] = {each: [] for each in (*components, UNEXPECTED)}
    for name in checkpoint.shapes:
        members[component_of(name, components) or UNEXPECTED].append(name)
    return tuple(
        _row(checkpoint, component, names, family) for component, names in members.items() if names
    )


def _row(
    checkpoint: Checkpoint, component: Component, names: list[str], family: Family | None
) -> ComponentRow:
    reasons: dict[str, list[str]] = {}
    not_needed = unneeded_in(checkpoint.shapes, family.unneeded) if family else ()
    for name in names:
        for unneeded in not_needed:
            if unneeded.covers(name):
                reasons.setdefault(unneeded.reason, []).append(name)
                break
    return ComponentRow(
        component.name,
        component.prefix,
        component.exported_as,
        len(names),
        sum(checkpoint.size(name) for name in names),
        sum(checkpoint.bytes(name) for name in names),
        tuple(
            Unused(reason, len(unused), sum(checkpoint.size(name) for name in unused))
            for reason, unused in reasons.items()
        ),
    )


@dataclass(frozen=True)
class Group:
    """The rows of one component, and their sum."""

    name: str
    rows: tuple[ComponentRow, ...]

    @property
    def sum(self) -> ComponentRow:
        """All of its rows together."""
        return summed(self.name, self.rows)


def groups(rows: Iterable[ComponentRow]) -> list[Group]:
    """Return the rows by the component that they are a part of, in order; others stand alone."""
    members: dict[str, list[ComponentRow]] = {}
    for row in rows:
        members.setdefault(row.name.split(PART)[0], []).append(row)
    return [Group(name, tuple(group)) for name, group in members.items()]
