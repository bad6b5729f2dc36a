"""What a checkpoint holds, component by component, and which family of models it is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.checkpoint.contents import Checkpoint, Leftover
from sam3_ros.export.family import Architecture, Component, Family, component_of

UNEXPECTED = Component("not of this family", "", "")


@dataclass(frozen=True)
class Recognised:
    """The family that a checkpoint is of, and its sizes."""

    family: Family
    architecture: Architecture


@dataclass(frozen=True)
class Unused:
    """Tensors of a component that no stage uses, and why."""

    reason: str
    tensors: int
    parameters: int


@dataclass(frozen=True)
class ComponentRow:
    """Tensors of one component. parameters: every number of theirs, buffers included."""

    name: str
    prefix: str
    exported_as: str
    tensors: int
    parameters: int
    bytes: int
    unused: tuple[Unused, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether any of its tensors is."""
        return sum(unused.tensors for unused in self.unused) < self.tensors


@dataclass(frozen=True)
class Inspection:
    """A checkpoint's table. refusals: why it is of no family, by family; else empty."""

    rows: tuple[ComponentRow, ...]
    recognised: Recognised | None
    refusals: Mapping[str, str]
    dtypes: Mapping[str, int]
    leftovers: tuple[Leftover, ...]

    @property
    def total(self) -> ComponentRow:
        """All rows together."""
        return together("total", self.rows)


def families_to_try(families: Mapping[str, Family], name: str | None) -> Mapping[str, Family]:
    """The one of that name, or all for None. Raises ExportError for a name that is not there."""
    if name is None:
        return families
    if name not in families:
        raise ExportError(f"no family is called {name!r}; there are {', '.join(families)}")
    return {name: families[name]}


def recognise(checkpoint: Checkpoint, families: Mapping[str, Family]) -> Recognised:
    """The one family that takes the checkpoint.

    Raises CheckpointError where none does, with the reason of each, or where several do.
    """
    found, refusals = _try_all(checkpoint, families)
    if found is None:
        reasons = "\n".join(f"  {name}: {reason}" for name, reason in refusals.items())
        raise CheckpointError(f"{checkpoint.path} is of no family that is known:\n{reasons}")
    return found


def inspect(checkpoint: Checkpoint, families: Mapping[str, Family]) -> Inspection:
    """The table by the components of the checkpoint's family; by first names where it has none.

    families: those to try; one, where the caller knows it. Raises CheckpointError where several
    take the checkpoint.
    """
    recognised, refusals = _try_all(checkpoint, families)
    if recognised is None:
        rows = _rows(checkpoint, _by_first_name(checkpoint), None)
    else:
        rows = _rows(checkpoint, recognised.family.components, recognised.family)
    dtypes = Counter(str(dtype).removeprefix("torch.") for dtype in checkpoint.dtypes.values())
    return Inspection(rows, recognised, refusals, dtypes, checkpoint.leftovers)


def together(name: str, rows: Iterable[ComponentRow]) -> ComponentRow:
    """One row that sums others."""
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
        raise CheckpointError(f"{checkpoint.path} fits {names}; say which with --family")
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
    for name in names:
        for unneeded in family.unneeded if family else ():
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


_OF = " / "  # between a component and its part, in names


@dataclass(frozen=True)
class Group:
    """Rows of one component, and their sum."""

    name: str
    rows: tuple[ComponentRow, ...]

    @property
    def sum(self) -> ComponentRow:
        """All of its rows together."""
        return together(self.name, self.rows)


def groups(rows: Iterable[ComponentRow]) -> list[Group]:
    """Rows by the component that they are a part of, in their order; alone where they are none."""
    members: dict[str, list[ComponentRow]] = {}
    for row in rows:
        members.setdefault(row.name.split(_OF)[0], []).append(row)
    return [Group(name, tuple(group)) for name, group in members.items()]


def table(inspection: Inspection) -> Iterator[str]:
    """Header, a line a component, total; and below it what of the rows is not needed, and why."""
    total = inspection.total
    yield _line("component", "parameters", "tensors", "share", "size", "exported as")
    for group in groups(inspection.rows):
        if len(group.rows) == 1:
            yield _of_row(group.rows[0], group.rows[0].name, total)
            continue
        yield _of_row(group.sum, group.name, total)
        for row in group.rows:
            yield _of_row(row, "  " + row.name.partition(_OF)[2], total)
    yield _of_row(total, "total", total)
    partly = [row for row in inspection.rows if row.unused and row.needed]
    if partly:
        yield ""
        yield "of these, not needed"
    for row in partly:
        for unused in row.unused:
            count = f"{unused.tensors} tensors, {unused.parameters:,} parameters"
            yield f"  {row.name.replace(_OF, ', ')}: {count}: {unused.reason}"


def _of_row(row: ComponentRow, name: str, total: ComponentRow) -> str:
    exported_as = row.exported_as
    if row.tensors and not row.needed:
        exported_as = "not needed: " + "; ".join(unused.reason for unused in row.unused)
    share = f"{row.parameters / max(total.parameters, 1):.2%}"
    size = readable(row.bytes)
    return _line(name, f"{row.parameters:,}", f"{row.tensors:,}", share, size, exported_as)


def _line(name: str, parameters: str, tensors: str, share: str, size: str, exported_as: str) -> str:
    numbers = f"{parameters:>13} {tensors:>8} {share:>8} {size:>10}"
    return f"{name:<26} {numbers}  {exported_as}".rstrip()


def readable(size: int) -> str:
    """Bytes for a reader: kB, MB or GB."""
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{size / step:.2f} {unit}"
    return f"{size / 1e3:.1f} kB"
