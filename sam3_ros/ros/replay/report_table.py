"""A replay's report as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from sam3_ros.ros.replay.report import PromptReport, ReplayReport

_LABEL = 34


def report_table(report: ReplayReport) -> str:
    lines = [*_frame_lines(report), *_prompt_lines(report), *_file_lines(report)]
    return "\n".join(lines)


def _frame_lines(report: ReplayReport) -> Iterator[str]:
    frames = report.frames
    yield f"{report.bag} through {report.node}, {report.seconds:.1f} s"
    yield _row("frames in", frames.sent)
    yield _row("  answered", frames.answered)
    yield _row("  dropped by the node", sum(frames.dropped.values()))
    for reason, count in frames.dropped.items():
        yield _row(f"    {reason}", count)
    yield _row("  lost on the way to the node", frames.lost_to_node)
    yield _row("  lost on the way back", frames.lost_from_node)
    yield _row("  unaccounted", frames.unaccounted)
    if report.latency is None:
        yield _row("latency, camera to mask", "no answer")
    else:
        yield _row("latency, camera to mask, median", f"{report.latency.median_ms:.1f} ms")
        yield _row("latency, camera to mask, p95", f"{report.latency.p95_ms:.1f} ms")
    for label, count in (
        ("masks that answer no image", report.stray_masks),
        ("masks with a wrong frame_id", report.wrong_frame_ids),
        ("masks without their scores", report.missing_scores),
    ):
        if count:
            yield _row(label, count)


def _prompt_lines(report: ReplayReport) -> Iterator[str]:
    if not report.prompts:
        return
    width = max(20, *(len(_asked(prompt)) for prompt in report.prompts))
    width = min(width, 48)
    truth = f"{'judged':>8}{'mean IoU':>10}" if report.has_truth else ""
    yield ""
    yield f"{'prompt':<{width}}{'frames':>8}{'found in':>10}{truth}"
    for prompt in report.prompts:
        asked = _asked(prompt)
        asked = asked if len(asked) <= width else f"{asked[: width - 3]}..."
        judged = f"{prompt.judged:>8}{_iou(prompt):>10}" if report.has_truth else ""
        yield f"{asked:<{width}}{prompt.frames:>8}{prompt.found:>10}{judged}{_remark(prompt)}"


def _file_lines(report: ReplayReport) -> Iterator[str]:
    if report.files:
        yield ""
    yield from report.files


def _asked(prompt: PromptReport) -> str:
    return f'text "{prompt.asked}"' if prompt.kind == "text" else f"{prompt.kind} {prompt.asked}"


def _iou(prompt: PromptReport) -> str:
    return "-" if prompt.iou is None else f"{prompt.iou:.3f}"


def _remark(prompt: PromptReport) -> str:
    absent = prompt.rightly_nothing + prompt.wrongly_something
    remarks = [f"rightly nothing in {prompt.rightly_nothing} of {absent}"] if absent else []
    remarks += [f"refused: {prompt.refused}"] if prompt.refused else []
    return f"  {'; '.join(remarks)}" if remarks else ""


def _row(label: str, value: object) -> str:
    return f"{label:<{_LABEL}}{value:>10}"
