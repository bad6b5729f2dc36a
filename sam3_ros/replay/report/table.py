"""A replay's report as a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sam3_ros.replay.report.report import CameraReport, Latency, PromptReport, ReplayReport

_LABEL, _COLUMN, _WIDEST = 34, 10, 56


def report_table(report: ReplayReport) -> str:
    lines = [*_frame_lines(report), *_prompt_lines(report), *_file_lines(report)]
    return "\n".join(lines)


def unasked_prompts(report: ReplayReport) -> Iterator[str]:
    """A line for each prompt that was refused or lost, or that came after the last image."""
    for prompt in report.prompts:
        remarks = _why_unasked(prompt)
        if not remarks and prompt.kind == "text" and not prompt.frames:
            remarks = ["no image was certainly asked for it"]
        if remarks:
            yield f"{_asked(prompt)}: {'; '.join(remarks)}"


def _frame_lines(report: ReplayReport) -> Iterator[str]:
    """A column for each camera."""
    cameras = report.cameras
    yield f"{report.bag} through {report.node}, {report.seconds:.1f} s"
    if len(cameras) > 1:
        yield _row("", [camera.name for camera in cameras])
    for label, count in (
        ("frames in", lambda c: c.frames.sent),
        ("  answered", lambda c: c.frames.answered),
        ("  dropped by the node", lambda c: sum(c.frames.dropped.values())),
        *_drop_rows(report),
        ("  lost on the way to the node", lambda c: c.frames.lost_to_node),
        ("  lost on the way back", lambda c: c.frames.lost_from_node),
        ("  unaccounted", lambda c: c.frames.unaccounted),
    ):
        yield _row(label, [count(camera) for camera in cameras])
    yield from _latency_lines(cameras)
    for label, count in (
        ("answered again, for a click", lambda c: c.click_answers),
        ("masks that answer no image", lambda c: c.stray_masks),
        ("masks with a wrong frame_id", lambda c: c.wrong_frame_ids),
        ("masks without their scores", lambda c: c.missing_scores),
    ):
        if any(count(camera) for camera in cameras):
            yield _row(label, [count(camera) for camera in cameras])


def _drop_rows(report: ReplayReport) -> Iterator[tuple[str, Callable[[CameraReport], int]]]:
    for reason in report.frames.dropped:
        yield f"    {reason}", lambda c, reason=reason: c.frames.dropped.get(reason, 0)


def _latency_lines(cameras: Sequence[CameraReport]) -> Iterator[str]:
    label = "latency, camera to mask"
    if all(camera.latency is None for camera in cameras):
        yield _row(label, ["no answer"])
        return
    yield _row(f"{label}, median", [_ms(c.latency, lambda found: found.median_ms) for c in cameras])
    yield _row(f"{label}, p95", [_ms(c.latency, lambda found: found.p95_ms) for c in cameras])


def _prompt_lines(report: ReplayReport) -> Iterator[str]:
    if not report.prompts:
        return
    width = min(max(20, *(len(_asked(prompt)) for prompt in report.prompts)), _WIDEST)
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
    where = f"{prompt.camera}: " if prompt.camera else ""
    if prompt.kind == "text":
        return f'{where}text "{prompt.asked}"'
    between = ": " if prompt.kind == "followed" else " "
    return f"{where}{prompt.kind}{between}{prompt.asked}"


def _iou(prompt: PromptReport) -> str:
    return "-" if prompt.iou is None else f"{prompt.iou:.3f}"


def _remark(prompt: PromptReport) -> str:
    absent = prompt.rightly_nothing + prompt.wrongly_something
    remarks = [f"rightly nothing in {prompt.rightly_nothing} of {absent}"] if absent else []
    remarks += [f"answered after {prompt.delay_ms:.0f} ms"] if prompt.delay_ms is not None else []
    remarks += _why_unasked(prompt)
    return f"  {'; '.join(remarks)}" if remarks else ""


def _why_unasked(prompt: PromptReport) -> list[str]:
    lost = [f"lost: {prompt.lost}"] if prompt.lost else []
    return [*lost, f"refused: {prompt.refused}"] if prompt.refused else lost


def _ms(latency: Latency | None, part: Callable[[Latency], float]) -> str:
    return "-" if latency is None else f"{part(latency):.1f} ms"


def _row(label: str, values: Sequence[object]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{value!s:>{_COLUMN}}" for value in values)
