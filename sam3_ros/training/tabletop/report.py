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
    "unknown_words_answered_with_nothing": ("phrases with an unknown word: no answer", None),
    "one_click_mean_iou": ("one click at the object's middle: mean IoU", 0.92),
    "one_click_anywhere_mean_iou": ("one click anywhere on the object: mean IoU", None),
    "box_mean_iou": ("box: mean IoU", 0.93),
    "first_click_mean_iou": ("every second scene, one click: mean IoU", None),
    "two_clicks_mean_iou": ("a second one, into the deepest error: mean IoU", None),
    "three_clicks_mean_iou": ("a third one: mean IoU", None),
    "tracked_and_corrected_mean_iou": (
        "the same objects tracked by one click and corrected by another: mean IoU",
        None,
    ),
    "clicks_on_the_table_answered_with_nothing": ("clicks on the bare table: no answer", 0.95),
}


#: The same of following, by pace; the goals of every third and every sixth image, and which way.
FOLLOWING_ROWS: dict[str, tuple[str, tuple[float | None, float | None], str]] = {
    "mean_iou_in_view": ("mean IoU in view", (0.90, None), ">="),
    "to_another_object": ("tracks that went to another object", (3, 20), "<="),
    "by_the_click": ("of these: the click already got another object", (None, None), ""),
    "answers_after_it_left": ("answers after the object left", (None, None), ""),
    "lost_in_view": ("tracks lost while in view", (4, 50), "<="),
    "found_again": ("came back and were found again with their id", (None, None), ""),
    "id_switches": ("crossed another alike and went over to it", (None, None), ""),
}
_OF = {"found_again": "came_back", "id_switches": "alike_that_crossed"}


def write_report(
    page: Path,
    figures: Mapping[str, object],
    following: Mapping[str, Mapping[str, object]] | None = None,
) -> None:
    """Replace the text between the marks of `page`; append both where there are none."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    page.parent.mkdir(parents=True, exist_ok=True)
    found = _tables(figures, following)
    page.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")


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
        if name in figures:  # a bundle of before may lack one that is measured now
            wanted = "" if goal is None else f">= {goal}"
            lines.append(f"| {meaning} | {figures[name]} | {wanted} |")
    return "\n".join(lines)


def comparison(figures: Mapping[str, Mapping[str, object]]) -> str:
    """Return a Markdown table of the same figures of several bundles, by the bundle's name."""
    first = next(iter(figures.values()))
    lines = [
        f"{first['scenes']} unseen scenes, {first['text_instances']} named instances.",
        "",
        f"| what | {' | '.join(f'`{name}`' for name in figures)} |",
        f"|---|{'---|' * len(figures)}",
    ]
    for name, (meaning, _) in ROWS.items():
        cells = " | ".join(str(each[name]) for each in figures.values())
        lines.append(f"| {meaning} | {cells} |")
    return "\n".join(lines)


def following_table(following: Mapping[str, Mapping[str, object]]) -> str:
    """Return a Markdown table of the figures of following, with the goals."""
    paces = list(following.values())
    first = paces[0]
    lines = [
        f"{first['tracks']} objects clicked once and followed through pans and walks, "
        f"{first['leave_the_view']} of them out of the view; others come back, or cross another "
        "that looks alike. Answered is every image, every third or every sixth (10, 30 and 60 px "
        "a step).",
        "",
        "| following | every image | every third | every sixth | goal: third, sixth |",
        "|---|---|---|---|---|",
    ]
    for name, (meaning, goals, relation) in FOLLOWING_ROWS.items():
        if name not in first:  # a bundle of before may lack one that is counted now
            continue
        cells = [
            f"{pace[name]} of {pace[_OF[name]]}" if name in _OF else str(pace[name])
            for pace in paces
        ]
        wanted = ", ".join(f"{relation} {goal}" for goal in goals if goal is not None)
        lines.append(f"| {meaning} | {' | '.join(cells)} | {wanted} |")
    return "\n".join(lines)


def _tables(
    figures: Mapping[str, object], following: Mapping[str, Mapping[str, object]] | None
) -> str:
    parts = [table(figures), *([following_table(following)] if following else [])]
    return "\n\n".join(parts)
