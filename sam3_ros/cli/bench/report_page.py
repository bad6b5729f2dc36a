"""A report as a page of Markdown, in the form of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sam3_ros.core.markdown import markdown_table

if TYPE_CHECKING:
    from sam3_ros.bench.instruments.device_limits import DeviceFigures
    from sam3_ros.bench.instruments.machine import MachineFigures
    from sam3_ros.bench.instruments.roofline import StepCost
    from sam3_ros.bench.matrix.cells import Cell, WayResults
    from sam3_ros.bench.matrix.goals import Goal
    from sam3_ros.bench.matrix.matrix import Matrix
    from sam3_ros.cli.bench.report_node import NodeResult
    from sam3_ros.core.bundle.bundle import Bundle

#: How each page begins, by which it is known to be one.
MARK = "# Report of backend"
_INTRODUCTION = """\
Every end-to-end time is from an image of 1920x1080 pixels, uint8 in the host's memory, to masks in
the host's memory: median ms, and the 95th percentile in brackets. Texts are encoded before; several
texts are one question. A stage's time is that on the device where there is one."""


@dataclass(frozen=True)
class ReportHead:
    """What a report says about itself."""

    #: The command as it was typed.
    command: str
    #: Date and time, UTC.
    made: str
    #: How long it took.
    seconds: float
    #: The time that it had.
    within: float
    #: The backend.
    backend: str


def report_page(head: ReportHead, matrix: Matrix, node: NodeResult) -> str:
    """Lay out the whole page."""
    names = {folder: bundle.manifest.name for folder, bundle in matrix.bundles.items()}
    parts = [
        _head(head, matrix),
        _goals(matrix, node, names),
        *(_bundle(folder, matrix) for folder in matrix.bundles),
        _node(node),
        _left_out(matrix, node, names),
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(head: ReportHead, matrix: Matrix) -> Iterator[str]:
    yield f"{MARK} {head.backend}, {head.made[:10]}"
    yield ""
    facts = "; ".join(f"{name} {value}" for name, value in matrix.facts.items())
    yield f"- **Machine**: {facts or 'unknown'}."
    yield f"- **Limits**, measured in this run: {_limits(matrix)}."
    took = f"{head.seconds:.0f} of {head.within:g} s"
    yield f"- **Command**: `{head.command}`, {head.made} UTC, {took}."
    yield ""
    yield _INTRODUCTION


def _limits(matrix: Matrix) -> str:
    if matrix.limits is None:
        return f"none ({matrix.no_limits})"
    told = [f"{name}: {_card_limits(card)}" for name, card in matrix.limits.devices.items()]
    if not told:
        memory = f"memory {matrix.limits.bandwidth_gb_s:.0f} GB/s"
        told = [f"products {_engines(matrix.limits)}", memory]
    return "; ".join(told)


def _card_limits(card: DeviceFigures) -> str:
    told = [f"{name} {gflops / 1000:.1f} TFLOP/s" for name, gflops in card.gemm_gflops.items()]
    if card.bandwidth_gb_s is not None:
        told.append(f"memory {card.bandwidth_gb_s:.0f} GB/s")
    told += [f"{what} not measured ({why})" for what, why in card.not_measured.items()]
    return ", ".join(told)


def _engines(limits: MachineFigures) -> str:
    return ", ".join(f"{name} {gflops:.0f} GFLOP/s" for name, gflops in limits.gemm_gflops.items())


def _goals(matrix: Matrix, node: NodeResult, names: Mapping[str, str]) -> Iterator[str]:
    from sam3_ros.bench.matrix.goals import GOALS, NODE_CPU, best

    yield ""
    yield "## Goals"
    yield ""
    yield "They are for a full-size model on one GPU of a data centre."
    yield ""
    rows: list[Sequence[str]] = []
    for goal in GOALS:
        if goal.key == NODE_CPU:
            found = [(node.way, node.cpu_ms_per_frame)] if node.cpu_ms_per_frame else []
        else:
            reached = best(goal, matrix.columns, names)
            found = [(f"{names[each.bundle]}, {each.way}", each.ms) for each in reached]
        rows += [_goal_row(goal, ms, by) for by, ms in found] or [
            (goal.title, _time(goal, goal.ms), "", "", "not measured")
        ]
    yield from markdown_table(("goal", "at most", "measured", "by", ""), rows)


def _goal_row(goal: Goal, ms: float | None, by: str) -> Sequence[str]:
    assert ms is not None
    is_met = ms <= goal.ms
    return (goal.title, _time(goal, goal.ms), _time(goal, ms), by, "met" if is_met else "missed")


def _time(goal: Goal, ms: float) -> str:
    return f"{ms / 1000:.1f} s" if goal.ms >= 1000 else f"{ms:.1f} ms"


def _bundle(folder: str, matrix: Matrix) -> Iterator[str]:
    columns = [column for column in matrix.columns if column.bundle == folder]
    manifest = matrix.bundles[folder].manifest
    yield ""
    yield f"## {manifest.name}"
    yield ""
    yield f"{manifest.description}."
    yield ""
    yield from _answers(columns)
    yield from _guard_verdicts(columns)
    yield from _stage_tables(columns, matrix)


def _answers(columns: Sequence[WayResults]) -> Iterator[str]:
    from sam3_ros.bench.matrix.cells import ANSWERS, GUARD, IMAGE, LOAD

    titles = {**ANSWERS, IMAGE: "image stages that a click needs", GUARD: "precision guard, s"}
    rows = []
    for key, title in {**titles, LOAD: "loading, s"}.items():
        if key == IMAGE:
            cells = ["" if c.image_ms is None else f"{c.image_ms:.2f}" for c in columns]
        elif key not in {name for column in columns for name in column.cells}:
            continue
        else:
            in_seconds = key in (GUARD, LOAD)
            cells = [_cell(column.cells.get(key), in_seconds) for column in columns]
        if any(cells):
            rows.append((title, *cells))
    yield from markdown_table(("", *(str(column.way) for column in columns)), rows)


def _cell(cell: Cell | None, in_seconds: bool) -> str:
    from sam3_ros.bench.matrix.cells import FAILED

    if cell is None:
        return ""
    if cell.ms is None:
        return "left out" if cell.is_left_out else cell.remark
    if in_seconds:
        verdict = ", failed" if cell.remark.startswith(FAILED) else ""
        return f"{cell.ms / 1000:.1f}{verdict}"
    spread = "" if cell.p95_ms is None else f" ({cell.p95_ms:.1f})"
    remark = f", {cell.remark}" if cell.remark else ""
    return f"{cell.ms:.2f}{spread}{remark}"


def _guard_verdicts(columns: Sequence[WayResults]) -> Iterator[str]:
    from sam3_ros.bench.matrix.cells import GUARD

    told = {str(column.way): column.cells.get(GUARD) for column in columns}
    verdicts = {way: cell.remark for way, cell in told.items() if cell and cell.ms is not None}
    if verdicts:
        yield ""
        yield "The guard's verdicts:"
        yield ""
        yield from (f"- {way}: {remark}." for way, remark in verdicts.items())


def _stage_tables(columns: Sequence[WayResults], matrix: Matrix) -> Iterator[str]:
    from sam3_ros.bench.matrix.cells import FIRST_CLICK, TEXT, TRACKED_ONE

    tables = {
        TEXT: "text on a new frame",
        FIRST_CLICK: "first click on a new frame",
        TRACKED_ONE: "tracked frame with one object",
    }
    for key, title in tables.items():
        timed = [c for c in columns if key in c.cells and c.cells[key].measured is not None]
        if timed:
            yield ""
            yield f"Stages of a {title}, ms and % of limit:"
            yield ""
            yield from _stage_table(key, timed, matrix)


def _stage_table(key: str, columns: Sequence[WayResults], matrix: Matrix) -> Iterator[str]:
    costs = {str(column.way): _costs(key, column, matrix.limits) for column in columns}
    steps = dict.fromkeys(step for by_step in costs.values() for step in by_step)
    first = columns[0]
    rows = []
    for step in steps:
        found = [by_step.get(step) for by_step in costs.values()]
        gflop = next((cost.gflop for cost in found if cost and cost.gflop is not None), None)
        operators = _operators(matrix.bundles[first.bundle], step, first)
        told = "" if gflop is None else f"{gflop:.1f}"
        rows.append((step, operators, told, *map(_cost_cell, found)))
    heading = f"nodes, Cast, attention in {first.way.precision}"
    yield from markdown_table(("stage", heading, "GFLOP", *costs), rows)


def _operators(bundle: Bundle, step: str, column: WayResults) -> str:
    from sam3_ros.core.stages.operators import count_operators

    if step not in bundle.manifest.stages:
        return ""
    found = count_operators(bundle.chosen_file(step, column.way.choice))
    return f"{found.nodes}, {found.casts}, {found.attentions}"


def _costs(key: str, column: WayResults, limits: MachineFigures | None) -> dict[str, StepCost]:
    from sam3_ros.bench.instruments.machine import MachineFigures
    from sam3_ros.bench.setup import Setup

    measured = column.cells[key].measured
    assert measured is not None
    setup = Setup(column.bundle, column.way.choice)
    return measured.costs(setup, limits or MachineFigures("", 1, {}, 0.0))


def _cost_cell(cost: StepCost | None) -> str:
    if cost is None:
        return ""
    is_whole_on_device = cost.device_ms is not None and cost.limited_by is None
    ms = cost.median_ms if cost.device_ms is None or is_whole_on_device else cost.device_ms
    percent = "" if cost.limit_percent is None else f" ({cost.limit_percent:.0f} %)"
    return f"{ms:.2f}{percent}"


def _node(node: NodeResult) -> Iterator[str]:
    yield ""
    yield "## In the node"
    yield ""
    if not node.cases:
        yield f"Not measured: {node.reason}"
        return
    yield f"Raw images of 1920x1080 over DDS, {node.way}; camera and receiver in Python. Median ms:"
    yield ""
    rows = []
    for case in node.cases:
        latency, use = case["latency"], case["use"]
        if latency is None:
            rows.append((case["pace"], "no answer"))
            continue
        parts = [latency["total"], latency["parts"]["sessions"], latency["in_node"]]
        medians = [f"{part['median']:.1f}" for part in parts]
        cpu = f"{use['cpu_ms_per_answer']:.1f}"
        rows.append((case["pace"], *medians, f"{case['per_second']:.1f}", cpu))
    headings = ("", "total", "sessions", "in node", "answers a second", "CPU ms an answer")
    yield from markdown_table(headings, rows)


def _left_out(matrix: Matrix, node: NodeResult, names: Mapping[str, str]) -> Iterator[str]:
    left = [
        f"{names[column.bundle]}, {column.way}: {', '.join(keys)} ({reason})"
        for column in matrix.columns
        for reason, keys in _left_out_of(column).items()
    ]
    if node.is_left_out:
        left.append(f"the node: {node.reason}")
    yield ""
    yield "## Left out"
    yield ""
    yield from (f"- {each}" for each in left)
    if not left:
        yield "Nothing."


def _left_out_of(column: WayResults) -> dict[str, list[str]]:
    """Return what there was no time for, by the reason."""
    found: dict[str, list[str]] = {}
    for cell in column.cells.values():
        if cell.is_left_out:
            found.setdefault(cell.remark, []).append(cell.key)
    return found
