"""What a bundle loses and saves beside another, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam3_ros.cli.table import left, readable_size, right, table

Document = Mapping[str, Any]
#: The row of all questions.
TOGETHER = "together"
#: What is timed, by the key of its scenario.
_TIMED = {
    "text_new_frame": "text, new frame, one mask",
    "text_absent": "text, new frame, nothing found",
    "second_text_seen_frame": "text, seen frame, one mask",
    "click_new_frame": "click, new frame",
    "click_seen_frame": "click, seen frame",
}
_WORST = 5
_NOTE = """\
IoU: mean over all objects, missed and extra ones as 0. of found, worst: of those that both found.
score: their mean change, and the largest. Times are medians of calls in turns."""


def against_tables(document: Document) -> str:
    """Lay out what `sam3-ros verify --against --json` prints."""
    parts = (_head, _loss_lines, _saving_lines, _worst_lines, _limit_lines)
    blocks = ("\n".join(part(document)) for part in parts)
    return "\n\n".join(filter(None, blocks))


def _head(document: Document) -> Iterator[str]:
    names = (f"{document['bundle']} ({document['plan']})", f"{document['against']}")
    yield f"{names[0]} beside {names[1]} ({document['against_plan']})"
    yield from document["left_out"]


def _loss_lines(document: Document) -> Iterator[str]:
    loss = document["loss"]
    headings = ("asked", "objects", "found", "missed", "extra", "IoU", "of found", "worst")
    columns = [left(), *map(right, headings), right("score"), right("largest")]
    rows = [
        (
            kind,
            *(each[name] for name in ("asked", "objects", "found", "missed", "extra")),
            *(_figure(each[name], ".4f") for name in ("iou", "found_iou", "worst_iou")),
            _figure(each["score_change"], "+.3f"),
            _figure(each["largest_score_change"], ".3f"),
        )
        for kind, each in loss.items()
        if kind != TOGETHER or len(loss) > 2
    ]
    yield from table(columns, rows)
    yield _NOTE


def _saving_lines(document: Document) -> list[str]:
    own, other = document["bundle"], document["against"]
    names = (own, other) if own != other else ("BUNDLE", "against")
    rows: list[tuple[str, ...]] = [
        (
            _TIMED.get(each["key"], each["title"]),
            f"{each['ours_ms']:.1f} ms",
            f"{each['theirs_ms']:.1f} ms",
            f"{each['median']:.3f}",
            f"{each['cpu_median']:.3f}",
            f"{each['min']:.3f} to {each['max']:.3f}, {len(each['repeats'])} turns",
        )
        for each in document["times"]
    ]
    sizes = [document["bytes"][side] for side in ("bundle", "against")]
    ratio = sizes[0] / max(sizes[1], 1)
    rows.append(("model files", *map(readable_size, sizes), f"{ratio:.3f}"))
    return table([left(), *map(right, names), right("ratio"), right("of CPU"), left()], rows)


def _worst_lines(document: Document) -> Iterator[str]:
    lost = [each for each in document["questions"] if each["iou"] < 1]
    worst = sorted(lost, key=lambda each: float(each["iou"]))[:_WORST]
    if worst:
        yield "most lost"
        yield from table([left()] * 4, map(_question_row, worst), indent=2)


def _question_row(question: Document) -> tuple[str, ...]:
    parts = [f"{question[name]} {name}" for name in ("missed", "extra") if question[name]]
    if question["ious"]:
        parts.append("masks " + ", ".join(f"{iou:.3f}" for iou in question["ious"]))
    return question["picture"], question["asked"], f"{question['iou']:.3f}", "; ".join(parts)


def _limit_lines(document: Document) -> Iterator[str]:
    least, loss = document["least_iou"], document["loss"]
    if least is None:
        return
    for kind in document["below_the_limit"]:
        found = _figure(loss[kind]["iou"], ".4f")
        came = f"IoU {found}" if found else "neither bundle found an object"
        yield f"FAILED: {kind}: {came}, at least {least:g} is wanted"
    if document["passed"]:
        yield f"held: IoU of at least {least:g}"


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
