"""The goals that a report is held against, for one GPU of a data centre and full-size models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sam3_ros.bench.matrix.cells import (
    FIRST_CLICK,
    GUARD,
    IMAGE,
    NEXT_CLICK,
    SECOND_TEXT,
    TEXT,
    Way,
    WayResults,
)

NODE_CPU, OBJECT = "node_cpu", "object"


@dataclass(frozen=True)
class Goal:
    """The most that something may take."""

    #: A cell's key, IMAGE, OBJECT or NODE_CPU.
    key: str
    title: str
    ms: float
    #: Only for bundles whose name contains this.
    of: str = ""


GOALS = (
    Goal(TEXT, "text on a new frame", 10.0),
    Goal(SECOND_TEXT, "second text on a seen frame", 4.5),
    Goal("texts_4", "4 texts on a new frame", 18.0),
    Goal(FIRST_CLICK, "first click on a new frame", 6.0),
    Goal(NEXT_CLICK, "click on a seen frame", 1.5),
    Goal(IMAGE, "image stages of EfficientViT-SAM-L0", 1.5, of="efficientvit-sam-l0"),
    Goal(OBJECT, "each more tracked object with all memories", 3.0),
    Goal(GUARD, "precision guard", 5000.0),
    Goal(NODE_CPU, "CPU time of the node for a 1080p frame", 6.0),
)


@dataclass(frozen=True)
class Reached:
    """The best time of a bundle, by the way that took it."""

    bundle: str
    way: Way
    ms: float


def best(goal: Goal, columns: Iterable[WayResults], names: Mapping[str, str]) -> list[Reached]:
    """Return the best time of each bundle that has one; names: of the bundles, by their folder.

    A way that failed the guard has none: its answers are wrong. The time of the guard is the
    longest: every way has to pass it.
    """
    found: dict[str, Reached] = {}
    for column in columns:
        ms = None if column.is_wrong else _ms_of(goal.key, column)
        if ms is None or goal.of not in names[column.bundle].lower():
            continue
        before = found.get(column.bundle)
        is_better = before is None or (ms > before.ms if goal.key == GUARD else ms < before.ms)
        if is_better:
            found[column.bundle] = Reached(column.bundle, column.way, ms)
    return list(found.values())


def _ms_of(key: str, column: WayResults) -> float | None:
    if key == IMAGE:
        return column.image_ms
    if key == OBJECT:
        return column.object_ms
    cell = column.cells.get(key)
    return None if cell is None else cell.ms
