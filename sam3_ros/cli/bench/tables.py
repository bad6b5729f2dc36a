"""Measurements of a bundle and of the node as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.replay.node_bench.report import CaseReport, LatencyReport, NodeBenchReport

Document = Mapping[str, Any]

_LIMIT_NOTE = """\
The limit of a stage is the longer of FLOP / peak and bytes / bandwidth (memory: the second).
Its bytes are weights, inputs and outputs, each once; a cache is faster than memory, so a
small stage may be above 100 %."""
_DEVICE_NOTE = """\
device ms: on the GPU, by its own events. host ms: until the host could go on; of a stage on the
GPU that is the launch alone, and the host waits for the results between the steps. The two run at
the same time, so their sum means nothing: end to end is the time of the whole answer, and device
ms beside it what the GPU was busy for. % of limit: by device ms; end to end by host ms."""
_PARTS_NOTE = (
    "Median ms by part; of one answer the parts add up to the total, their medians only nearly."
)
_NODE_NOTE = """\
total: from the moment the camera (or the click) publishes to the mask in the receiver's callback;
median, 95th percentile and the worst, which is far off where other work took the cores.
overhead: total without the sessions. in node: overhead without the ways to and from the node and
without waiting for a turn. Camera and receiver are Python, in one process. CPU: of the node, % of
one core and ms an answer. MiB: its resident memory, now and at most so far. mask %: of the last
mask's pixels that show an object."""
_MEBIBYTE = 2**20


def bundle_table(document: Document) -> str:
    """Lay out what `sam3-ros bench --json` prints."""
    parts = (_machine, _scenarios, _comparisons, _reductions)
    return "\n".join(line for part in parts for line in part(document))


def _machine(document: Document) -> Iterator[str]:
    threads = document["threads"] or "all"
    yield (
        f"{document['bundle']} on {document['plan']} (threads: {threads}), "
        f"{document['width']}x{document['height']}"
    )
    machine = document["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores"
    rows = [
        (f"peak by matrix products, {engine}", f"{gflops:.1f}", "GFLOP/s")
        for engine, gflops in machine["gemm_gflops"].items()
    ]
    rows.append(("memory bandwidth", f"{machine['bandwidth_gb_s']:.1f}", "GB/s"))
    if document["resident_bytes"] is not None:
        loaded, answering = document["resident_bytes"].values()
        peak, unit = f"{answering / 1e6:.0f}", f"MB ({loaded / 1e6:.0f} MB once loaded)"
        rows.append(("resident peak of a process of its own", peak, unit))
    rows.append(("files", f"{sum(document['file_bytes'].values()) / 1e6:.1f}", "MB"))
    yield from table([left(), right(), left()], rows, indent=2)
    for backend, device in machine["devices"].items():
        yield f"{device['name']} ({backend})"
        yield from table([left(), right(), left()], _device_rows(device), indent=2)
        for what, why in device["not_measured"].items():
            yield f"  its {what} is not measured, so stages may show their time alone: {why}"
    if not document["flop_counted"]:
        from sam3_ros.bench.instruments.graph_work import HOW_TO_GET

        yield f"  GFLOP are not counted, as the library onnx is not here: {HOW_TO_GET}"


def _device_rows(device: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for precision, gflops in device["gemm_gflops"].items():
        yield f"peak by matrix products, {precision}", f"{gflops / 1000:.1f}", "TFLOP/s"
    if device["bandwidth_gb_s"] is not None:
        yield "memory bandwidth", f"{device['bandwidth_gb_s']:.1f}", "GB/s"


def _scenarios(document: Document) -> Iterator[str]:
    is_timed_on_device = False
    for found in document["scenarios"]:
        on_device = any(cost["device_ms"] is not None for cost in found["steps"].values())
        is_timed_on_device = is_timed_on_device or on_device
        yield ""
        yield (
            f"{found['scenario']}: {found['per_second']:.3g} per second "
            f"({found['repeats']} repeats, {found['segments']} segments)"
        )
        times = ("device ms", "host ms", "p95 ms") if on_device else ("median ms", "p95 ms")
        headings = (*times, "GFLOP", "GFLOP/s", "% of limit")
        columns = [left("step"), *map(right, headings), left()]
        yield from table(columns, _step_rows(found, on_device), indent=2)
    if is_timed_on_device:
        yield ""
        yield _DEVICE_NOTE
    if document["flop_counted"]:
        yield ""
        yield _LIMIT_NOTE


def _step_rows(found: Mapping[str, Any], on_device: bool) -> Iterator[tuple[str, ...]]:
    for step, cost in found["steps"].items():
        if on_device and step == "end to end":
            yield ("between the steps", "", f"{found['between_ms']:.2f}")
        yield _step_row(step, cost, on_device)


def _step_row(step: str, cost: Mapping[str, Any], on_device: bool) -> tuple[str, ...]:
    name = step if cost["runs"] < 2 or step == "end to end" else f"{step} (x{cost['runs']})"
    times = [f"{cost['median_ms']:.2f}", f"{cost['p95_ms']:.2f}"]
    if on_device:
        device_ms = cost["device_ms"]
        times.insert(0, "" if device_ms is None else f"{device_ms:.2f}")
    if cost["gflop"] is None:
        return (name, *times)
    remarks = ["memory"] if cost["limited_by"] == "memory" else []
    if cost["unknown"]:
        remarks.append(f"not counted: {', '.join(cost['unknown'])}")
    return (
        name,
        *times,
        f"{cost['gflop']:.3f}",
        f"{cost['gflop_s']:.1f}",
        f"{cost['limit_percent']:.1f}",
        "  ".join(remarks),
    )


def _comparisons(document: Document) -> Iterator[str]:
    for comparison in document.get("against") or ():
        yield ""
        yield f"against {comparison['rival']}: {comparison['description']}"
        if "failed" in comparison:
            yield f"  failed: {comparison['failed']}"
        else:
            yield from _comparison(comparison)
            yield from _stage_by_stage(document, comparison["stage_ms"])


def _comparison(comparison: Document) -> Iterator[str]:
    headings = ("ours ms", "theirs ms", "ours/theirs", "min", "max", "CPU ours/theirs", "repeats")
    rows = [
        (
            each["key"],
            f"{each['ours_ms']:.1f}",
            f"{each['theirs_ms']:.1f}",
            *(f"{each[name]:.3f}" for name in ("median", "min", "max", "cpu_median")),
            len(each["repeats"]),
        )
        for each in comparison["ratios"]
    ]
    yield from table([left(), *map(right, headings)], rows, indent=2)
    for kind, alike in comparison["likeness"].items():
        ours, theirs = alike["masks"]
        yield (
            f"  {kind}: {ours} masks of ours, {theirs} of theirs; the worst has "
            f"{alike['equal_pixels']:.7f} of its pixels equal; scores differ by at most "
            f"{alike['score']:.2g}, boxes by {alike['box_px']:.2g} px"
        )


def _stage_by_stage(document: Document, theirs: Mapping[str, float]) -> Iterator[str]:
    """Yield a table of each stage's time on the device; ours of the first scenario that has it."""
    if not theirs:
        return
    ours: dict[str, float] = {}
    for scenario in document["scenarios"]:
        for step, cost in scenario["steps"].items():
            if cost["device_ms"] is not None:
                ours.setdefault(step, cost["device_ms"])
    rows = []
    for stage, ms in theirs.items():
        own = ours.get(stage)
        known = ("", "") if own is None else (f"{own:.2f}", f"{own / max(ms, 1e-3):.2f}")
        rows.append((stage, known[0], f"{ms:.2f}", known[1]))
    headings = ("ours device ms", "theirs device ms", "ours/theirs")
    yield from table([left("by stage"), *map(right, headings)], rows, indent=2)


def _reductions(document: Document) -> Iterator[str]:
    if document.get("reductions") is None:
        return
    yield ""
    yield "each reduction of the runtime, switched off alone, in turns with all switched on"
    headings = ("without ms", "with ms", "without/with", "min", "max")
    rows = [
        (
            row["title"],
            row["scenario"],
            f"{row['without_ms']:.1f}",
            f"{row['with_ms']:.1f}",
            *(f"{row[name]:.3f}" for name in ("median", "min", "max")),
        )
        for row in document["reductions"]
    ]
    yield from table([left(), left("of"), *map(right, headings)], rows, indent=2)


def node_table(report: NodeBenchReport) -> str:
    """Lay out a measurement of the node: a row per case, then the parts of its latency."""
    return "\n".join(_node_lines(report))


def _node_lines(report: NodeBenchReport) -> Iterator[str]:
    from sam3_ros.replay.node_bench.report import AS_ANSWERED, FIRST_CLICK, NEXT_CLICK

    yield ", ".join(f"{name} {value}" for name, value in report.parameters.items())
    yield f"Fast DDS profile (README, Large images): {report.profile}"
    yield ""
    times = ("total", "p95", "worst", "sessions", "overhead", "p95", "in node")
    others = ("per s", "CPU %", "CPU ms", "MiB", "peak", "mask %")
    columns = [left("images"), left("pace"), *map(right, (*times, *others)), left("frames")]
    rows: Iterable[Sequence[object]] = map(_case_row, report.cases)
    if any(case.tracked for case in report.cases):
        columns.insert(2, right("tracked"))
        rows = [
            (*row[:2], f"{case.tracked:g}", *row[2:])
            for row, case in zip(rows, report.cases, strict=True)
        ]
    yield from table(columns, rows)
    yield ""
    yield _NODE_NOTE
    click_headings = {FIRST_CLICK: "first click", NEXT_CLICK: "next click"}
    for title, headings in (
        ("Frames, as fast as answered.", {AS_ANSWERED: ""}),
        ("Clicks on a seen frame: the first on it, and the next.", click_headings),
    ):
        cases = [case for case in report.cases if case.pace in headings and case.latency]
        if cases:
            yield ""
            yield f"{title} {_PARTS_NOTE}"
            yield from _part_lines(cases, headings)


def _case_row(case: CaseReport) -> Sequence[object]:
    use = case.use
    return (
        f"{case.transport} {case.width}x{case.height}",
        case.pace,
        *_latency_cells(case.latency),
        f"{case.per_second:.1f}",
        f"{use.cpu_percent:.0f}",
        f"{use.cpu_ms_per_answer:.1f}",
        f"{use.resident / _MEBIBYTE:.0f}",
        f"{use.resident_peak / _MEBIBYTE:.0f}",
        f"{100 * case.covered:.1f}",
        _frames(case),
    )


def _latency_cells(latency: LatencyReport | None) -> list[str]:
    if latency is None:
        return ["no answer", *[""] * 6]
    total, overhead = latency.total, latency.overhead
    sessions, in_node = latency.parts["sessions"].median, latency.in_node.median
    of_total = (total.median, total.p95, total.worst)
    cells = (*of_total, sessions, overhead.median, overhead.p95, in_node)
    return [f"{milliseconds:.1f}" for milliseconds in cells]


def _frames(case: CaseReport) -> str:
    frames = case.frames
    if frames is None:
        return f"{case.latency.answers if case.latency else 0} clicks answered"
    counts = [f"{frames.sent} sent", f"{frames.answered} answered"]
    counts += [f"{count} dropped ({reason})" for reason, count in frames.dropped.items()]
    others = {
        "lost on the way to the node": frames.lost_to_node,
        "lost on the way back": frames.lost_from_node,
        "unaccounted": frames.unaccounted,
    }
    return ", ".join([*counts, *(f"{count} {what}" for what, count in others.items() if count)])


def _part_lines(cases: Sequence[CaseReport], headings: Mapping[str, str]) -> list[str]:
    """Lay out a column per case. headings: a third line of the column's head, by the pace."""
    latencies = [case.latency for case in cases if case.latency is not None]
    rows: list[list[object]] = [
        ["", *(case.transport for case in cases)],
        ["", *(f"{case.width}x{case.height}" for case in cases)],
    ]
    if any(headings.values()):
        rows.append(["", *(headings[case.pace] for case in cases)])
    for name in dict.fromkeys(name for latency in latencies for name in latency.parts):
        parts = [latency.parts.get(name) for latency in latencies]
        rows.append([name, *("-" if part is None else f"{part.median:.2f}" for part in parts)])
    rows.append(["total", *(f"{latency.total.median:.2f}" for latency in latencies)])
    return table([left(), *(right() for _ in cases)], rows, indent=2)
