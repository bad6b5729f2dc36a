"""Writes the evaluation's figures into a page of the docs, between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BEGIN, END = "<!-- figures: written by make tabletop -->", "<!-- end of figures -->"

#: What each figure means, and its goal (None: no goal was set).
ROWS: dict[str, tuple[str, float | None]] = {
    "text_mean_iou_of_matched": ("text: mean IoU of matched objects", 0.90),
    "text_recall_at_iou_0.5": ("text: recall of instances at IoU 0.5", 0.95),
    "text_precision_at_iou_0.5": ("text: precision of instances at IoU 0.5", 0.95),
    "absent_phrases_answered_with_nothing": ("absent things answered with nothing", 0.98),
    "one_click_mean_iou": ("one click at the object's middle: mean IoU", 0.92),
    "one_click_anywhere_mean_iou": ("one click anywhere on the object: mean IoU", None),
    "box_mean_iou": ("box: mean IoU", 0.93),
    "clicks_on_the_table_answered_with_nothing": ("clicks on the bare table: no answer", None),
}


def write_report(page: Path, figures: Mapping[str, object]) -> None:
    """Replace the text between the marks of `page`; append both where there are none."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}", encoding="utf-8")


def table(figures: Mapping[str, object]) -> str:
    """Return a Markdown table of the figures with their goals."""
    lines = [
        f"{figures['scenes']} unseen scenes, {figures['size']}, {figures['text_instances']} named "
        f"instances, {figures['absent_phrases']} absent phrases, {figures['objects_clicked']} "
        "objects clicked and boxed.",
        "",
        "| what | reached | goal |",
        "|---|---|---|",
    ]
    for name, (meaning, goal) in ROWS.items():
        lines.append(f"| {meaning} | {figures[name]} | {'' if goal is None else f'>= {goal}'} |")
    return "\n".join(lines)
