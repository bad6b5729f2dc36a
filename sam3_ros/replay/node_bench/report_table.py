"""A measurement of the node as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sam3_ros.replay.node_bench.report import (
    AS_ANSWERED,
    FIRST_CLICK,
    NEXT_CLICK,
    CaseReport,
    LatencyReport,
    NodeBenchReport,
)

_MEBIBYTE = 2**20
# As narrow as a column.
_CLICK_HEADINGS = {FIRST_CLICK: "first click", NEXT_CLICK: "next click"}
_PARTS_NOTE = (
    "Median ms by part; of one answer the parts add up to the total, their medians only nearly."
)
_WORDS_NOTE = """\
total: from the moment the camera (or the click) publishes to the mask in the receiver's callback.
overhead: total without the sessions. in node: overhead without the ways to and from the node and
without waiting for a turn. Camera and receiver are Python, in one process. CPU: of the node, % of
one core and ms an answer. MiB: its resident memory, now and at most so far. mask %: of the last
mask's pixels that show an object."""


def report_table(report: NodeBenchReport) -> str:
    return "\n".join(_lines(report))


def _lines(report: NodeBenchReport) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in report.parameters.items())
    yield f"Fast DDS profile (README, Large images): {report.profile}"
    yield ""
    yield (
        f"{'images':<22}{'pace':<24}{'total':>8}{'p95':>8}{'sessions':>10}{'overhead':>10}"
        f"{'p95':>8}{'in node':>9}{'per s':>7}{'CPU %':>7}{'CPU ms':>8}{'MiB':>6}{'peak':>6}"
        f"{'mask %':>7}  frames"
    )
    for case in report.cases:
        yield _summary(case)
    yield ""
    yield _WORDS_NOTE
    for title, paces in (
        ("Frames, as fast as answered.", (AS_ANSWERED,)),
        ("Clicks on a seen frame: the first on it, and the next.", tuple(_CLICK_HEADINGS)),
    ):
        cases = [case for case in report.cases if case.pace in paces and case.latency is not None]
        if cases:
            yield ""
            yield f"{title} {_PARTS_NOTE}"
            yield from _parts(cases)


def _summary(case: CaseReport) -> str:
    images = f"{case.transport} {case.width}x{case.height}"
    return f"{images:<22}{case.pace:<24}{_latency(case.latency)}{_rest(case)}"


def _latency(latency: LatencyReport | None) -> str:
    if latency is None:
        return f"{'no answer':>53}"
    sessions = latency.parts["sessions"].median
    return (
        f"{latency.total.median:>8.1f}{latency.total.p95:>8.1f}{sessions:>10.1f}"
        f"{latency.overhead.median:>10.1f}{latency.overhead.p95:>8.1f}{latency.in_node.median:>9.1f}"
    )


def _rest(case: CaseReport) -> str:
    use = case.use
    numbers = (
        f"{case.per_second:>7.1f}{use.cpu_percent:>7.0f}{use.cpu_ms_per_answer:>8.1f}"
        f"{use.resident / _MEBIBYTE:>6.0f}{use.resident_peak / _MEBIBYTE:>6.0f}"
        f"{100 * case.covered:>7.1f}"
    )
    return f"{numbers}  {_frames(case)}"


def _frames(case: CaseReport) -> str:
    frames = case.frames
    if frames is None:
        return f"{case.latency.answers if case.latency else 0} clicks answered"
    told = [f"{frames.sent} sent", f"{frames.answered} answered"]
    told += [f"{count} dropped ({reason})" for reason, count in frames.dropped.items()]
    others = {
        "lost on the way to the node": frames.lost_to_node,
        "lost on the way back": frames.lost_from_node,
        "unaccounted": frames.unaccounted,
    }
    return ", ".join([*told, *(f"{count} {what}" for what, count in others.items() if count)])


def _heads(case: CaseReport) -> list[str]:
    heads = [case.transport, f"{case.width}x{case.height}"]
    return [*heads, _CLICK_HEADINGS[case.pace]] if case.pace in _CLICK_HEADINGS else heads


def _parts(cases: Sequence[CaseReport]) -> Iterator[str]:
    columns = [case.latency for case in cases if case.latency is not None]
    for heads in zip(*map(_heads, cases), strict=True):
        yield f"  {'':<22}" + "".join(f"{head:>12}" for head in heads)
    for name in dict.fromkeys(name for latency in columns for name in latency.parts):
        cells = [latency.parts.get(name) for latency in columns]
        row = "".join(f"{'-':>12}" if cell is None else f"{cell.median:>12.2f}" for cell in cells)
        yield f"  {name:<22}{row}"
    yield f"  {'total':<22}" + "".join(f"{latency.total.median:>12.2f}" for latency in columns)
