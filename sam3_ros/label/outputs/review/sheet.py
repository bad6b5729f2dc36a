"""OUT/review/index.html and a contact sheet for each source: labels at a glance, for a person."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TextIO

from sam3_ros.label.outputs.review.page import foot, head, section
from sam3_ros.label.outputs.review.pictures import write_sheet
from sam3_ros.label.outputs.review.summary import Counts, summarised
from sam3_ros.label.outputs.unfinished import move_into_place, unfinished
from sam3_ros.label.results import RunResults

REVIEW_NAME, PAGE_NAME = "review", "index.html"


def write_review(results: RunResults, out: Path) -> tuple[Path, ...]:
    """Write the page and its pictures, and return the page.

    A source that cannot be read any more has a section without pictures, with the reason. Raises
    ChunkFileError, OSError.
    """
    target = out / REVIEW_NAME
    with unfinished(out) as folder:
        made = folder / REVIEW_NAME
        made.mkdir()
        sections = folder / "sections"
        with sections.open("w+", encoding="utf-8") as rest:
            total = _write_sections(results, made, rest)
            rest.seek(0)
            with (made / PAGE_NAME).open("w", encoding="utf-8") as page:
                page.write(head(results, total, len(results.sources)))
                shutil.copyfileobj(rest, page)
                page.write(foot())
        move_into_place(made, target)
    return (target / PAGE_NAME,)


def _write_sections(results: RunResults, folder: Path, file: TextIO) -> Counts:
    """Write the sections of all sources and their pictures; return the counts of all."""
    values = {each.prompt_id: each.number for each in results.categories}
    total = Counts()
    for labelled in results.sources:
        summary = summarised(labelled)
        total.add_all(summary.counts)
        sheet = f"{labelled.source.key}.jpg" if summary.counts.frames else None
        missing = ""
        if sheet:
            missing = write_sheet(
                folder / sheet, labelled.source, summary.shown, values, results.reading
            )
        file.write(section(labelled.source.name, summary.counts, results, sheet, missing))
    return total
