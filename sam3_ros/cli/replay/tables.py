"""A replay's report and its verdict as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from sam3_ros.cli.replay.place_table import place_lines
from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.replay.golden.verdicts import CheckVerdict, PromptVerdict, ReplayVerdict
    from sam3_ros.replay.report.report import CameraResult, PromptReport, ReplayReport
    from sam3_ros.replay.report.tracks import TrackReport

PASSED, FAILED = "pass", "FAIL"

_LONGEST_PROMPT = 56
_MOST_IDS = 6
# The node's reason for a frame that gave way to a newer one.
_SUPERSEDED = "superseded"


def report_table(report: ReplayReport) -> str:
    """Lay out the account of frames, a column per camera, then prompts, tracks, places, files."""
    lines = [f"{report.bag} through {report.node}, {report.seconds:.1f} s", *_frame_lines(report)]
    if report.prompts:
        lines += ["", *_prompt_lines(report)]
    if report.tracks:
        lines += ["", *_track_lines(report)]
    if report.places:
        lines += ["", *place_lines(report.places)]
    if report.files:
        lines += ["", *report.files, *report.file_remarks]
    return "\n".join(lines)


def remark_lines(report: ReplayReport) -> Iterator[str]:
    """Yield what is not as one would expect: of the bag, prompts, failed frames, the account."""
    frames = report.frames
    from sam3_ros.replay.bag.recording import grouped

    for remark in grouped(report.remarks):
        yield f"the bag: {remark}"
    yield from (f"warning: {warning}" for warning in report.prompt_warnings)
    for text, count in frames.failures.items():
        yield f"{count} of {frames.sent} frames failed, the node says: {text}"
    too_late = frames.dropped.get(_SUPERSEDED, 0)
    if too_late and (too_late + max(frames.lost_to_node, 0)) * 2 > frames.sent:
        yield "most frames came too fast for this machine: try --rate"
    if frames.sent and not frames.answered:
        yield "no frame was answered"
    if not report.complete:
        yield "not every frame is accounted for"


def unasked_prompts(report: ReplayReport) -> Iterator[str]:
    """Yield a line for each prompt that was refused, was lost, or came after the last image."""
    for prompt in report.prompts:
        remarks = _why_unasked(prompt)
        if not remarks and prompt.kind == "text" and not prompt.frames:
            remarks = ["no image was certainly asked for it"]
        if remarks:
            yield f"{_title(prompt)}: {'; '.join(remarks)}"


def verdict_table(verdict: ReplayVerdict) -> str:
    """Lay out a row per prompt and a row per check, each with its failures below it."""
    lines = [f"{verdict.bag} against {verdict.against}", ""]
    lines += [*_prompt_verdict_lines(verdict.prompts), "", *_check_lines(verdict.checks)]
    if verdict.pictures:
        lines += ["", *verdict.pictures]
    results = [each.passed for each in verdict.prompts] + [each.passed for each in verdict.checks]
    failed, total = results.count(False), len(results)
    result = f"{FAILED}, {failed} of {total} checks" if failed else f"{PASSED}, {total} checks"
    return "\n".join([*lines, "", f"{result}, {verdict.frames} frames"])


def _frame_lines(report: ReplayReport) -> list[str]:
    cameras = report.cameras
    rows: list[list[object]] = []

    def add(label: str, value: Callable[[CameraResult], object]) -> None:
        rows.append([label, *map(value, cameras)])

    add("frames in", lambda c: c.frames.sent)
    add("  answered", lambda c: c.frames.answered)
    add("  dropped by the node", lambda c: sum(c.frames.dropped.values()))
    for reason in report.frames.dropped:
        add(f"    {reason}", partial(_dropped, reason))
    add("  lost on the way to the node", lambda c: c.frames.lost_to_node)
    add("  lost on the way back", lambda c: c.frames.lost_from_node)
    add("  unaccounted", lambda c: c.frames.unaccounted)
    latency = "latency, camera to mask"
    if any(camera.latency for camera in cameras):
        add(f"{latency}, median", lambda c: f"{c.latency.median_ms:.1f} ms" if c.latency else "-")
        add(f"{latency}, p95", lambda c: f"{c.latency.p95_ms:.1f} ms" if c.latency else "-")
    else:
        rows.append([latency, "no answer"])
    for label, count in (
        ("answered again, for a click", lambda c: c.click_answers),
        ("masks that answer no image", lambda c: c.stray_masks),
        ("masks with a wrong frame_id", lambda c: c.wrong_frame_ids),
        ("masks without their scores", lambda c: c.missing_scores),
    ):
        if any(map(count, cameras)):
            add(label, count)
    headings = [camera.name for camera in cameras] if len(cameras) > 1 else [""]
    return table([left(), *map(right, headings)], rows)


def _dropped(reason: str, camera: CameraResult) -> int:
    return camera.frames.dropped.get(reason, 0)


def _prompt_lines(report: ReplayReport) -> list[str]:
    of_truth = ["judged", "wrong in", "mean IoU"] if report.has_truth else []
    headings = ["frames", "found in", *of_truth]
    rows = []
    for prompt in report.prompts:
        figures = [prompt.judged, prompt.wrong_frames, _iou(prompt.iou)]
        judged = figures if report.has_truth else []
        title = _shortened(_title(prompt), _LONGEST_PROMPT)
        rows.append([title, prompt.frames, prompt.found, *judged, _remarks(prompt)])
    return table([left("prompt"), *map(right, headings), left()], rows)


def _track_lines(report: ReplayReport) -> list[str]:
    of_truth = ["id switches", "lost in view"] if report.has_truth else []
    rows = []
    for track in report.tracks:
        figures = [track.id_switches, track.lost_in_view] if report.has_truth else []
        told = ["-" if figure is None else figure for figure in figures]
        title = _shortened(_title(track), _LONGEST_PROMPT)
        rows.append([title, _ids(track), track.seen, track.hidden, *told, _found_again(track)])
    headings = [*map(right, ("seen in", "hidden in", *of_truth)), left("found again")]
    return table([left("tracked"), left("id"), *headings], rows)


def _ids(track: TrackReport) -> str:
    shown = [f"#{number}" for number in track.ids[:_MOST_IDS]]
    more = len(track.ids) - len(shown)
    return " ".join([*shown, f"+{more}"] if more else shown)


def _found_again(track: TrackReport) -> str:
    """Return whether what came back into view had its id again."""
    if not track.returns:
        return "-"
    times = f", {track.returns} times" if track.returns > 1 else ""
    if track.found_again == track.returns:
        return f"yes, same id{times}"
    return f"{track.found_again} of {track.returns}" if track.found_again else f"no{times}"


def _title(prompt: PromptReport | TrackReport) -> str:
    where = f"{prompt.camera}: " if prompt.camera else ""
    if prompt.kind == "text":
        return f'{where}text "{prompt.asked}"'
    if not prompt.kind:
        return f"{where}{prompt.asked}"
    between = ": " if prompt.kind == "followed" else " "
    return f"{where}{prompt.kind}{between}{prompt.asked}"


def _remarks(prompt: PromptReport) -> str:
    absent = prompt.rightly_nothing + prompt.wrongly_something
    remarks = [f"rightly nothing in {prompt.rightly_nothing} of {absent}"] if absent else []
    remarks += [f"answered after {prompt.delay_ms:.0f} ms"] if prompt.delay_ms is not None else []
    return "; ".join([*remarks, *_why_unasked(prompt)])


def _why_unasked(prompt: PromptReport) -> list[str]:
    lost = [f"lost: {prompt.lost}"] if prompt.lost else []
    return [*lost, f"refused: {prompt.refused}"] if prompt.refused else lost


def _prompt_verdict_lines(prompts: tuple[PromptVerdict, ...]) -> Iterator[str]:
    has_cameras = any(prompt.camera for prompt in prompts)
    rows = [
        (
            *([prompt.camera] if has_cameras else []),
            _shortened(prompt.prompt_id, 36),
            prompt.frames,
            _iou(prompt.mean_iou),
            _iou(prompt.least_iou),
            f"{prompt.score_difference:.3f}",
            prompt.missing_segments,
            prompt.extra_segments,
            _result(prompt),
            prompt.worst,
        )
        for prompt in prompts
    ]
    names = [left("camera"), left("prompt")] if has_cameras else [left("prompt")]
    numbers = ("frames", "mean IoU", "least", "score +-", "missing", "extra")
    columns = [*names, *map(right, numbers), _RESULT, left("worst frame")]
    heading, *lines = table(columns, rows)
    yield heading
    for line, prompt in zip(lines, prompts, strict=True):
        yield line
        yield from (f"    {failure}" for failure in prompt.failures)


def _check_lines(checks: tuple[CheckVerdict, ...]) -> Iterator[str]:
    rows = [(check.name, _result(check), check.figures) for check in checks]
    for line, check in zip(table([left(), _RESULT, left()], rows), checks, strict=True):
        yield line
        yield from (f"    {failure}" for failure in check.failures)


_RESULT = left(**{PASSED: "green", FAILED: "bold red"})


def _result(verdict: PromptVerdict | CheckVerdict) -> str:
    return PASSED if verdict.passed else FAILED


def _iou(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
