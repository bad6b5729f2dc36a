"""The table of an inspection as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sam3_ros.export.checkpoint.inspection import ComponentRow, Inspection, together

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
