"""The evaluation's page is rewritten in place, and the shipped figures are the bundle's own."""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.training.tabletop.report import (
    BEGIN,
    END,
    ROWS,
    following_table,
    table,
    write_report,
)

FIGURES = dict.fromkeys(ROWS, 0.5) | {
    "scenes": 3,
    "size": "640x480",
    "text_instances": 7,
    "absent_phrases": 6,
    "objects_clicked": 9,
}


FOLLOWING = {
    f"every_{pace}": {
        "tracks": 171,
        "leave_the_view": 61,
        "mean_iou_in_view": 0.9,
        "to_another_object": pace,
        "by_the_click": 1,
        "answers_after_it_left": 0,
        "lost_in_view": 2,
        "came_back": 10,
        "found_again": 8,
        "alike_that_crossed": 12,
        "id_switches": 1,
    }
    for pace in (1, 3, 6)
}


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter.\n", encoding="utf-8")
    write_report(page, FIGURES)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Before\n") and text.endswith("\n\nAfter.\n")
    assert "old" not in text and "3 unseen scenes" in text


def test_a_page_without_marks_gets_them_at_its_end(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n", encoding="utf-8")
    write_report(page, FIGURES)
    write_report(page, FIGURES)
    assert page.read_text(encoding="utf-8").count(BEGIN) == 1


def test_the_page_shows_the_figures_of_the_shipped_bundle() -> None:
    figures = Bundle.open("tabletop").manifest.verification["unseen_scenes"]
    page = Path(__file__).parents[2] / "docs" / "tabletop.md"
    assert table(figures) in page.read_text(encoding="utf-8")


def test_the_figures_of_following_stand_beside_each_other(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_report(page, FIGURES, FOLLOWING)
    text = page.read_text(encoding="utf-8")
    assert table(FIGURES) in text
    assert "| tracks that went to another object | 1 | 3 | 6 | <= 3, <= 20 |" in text
    assert "| of these: the click already got another object | 1 | 1 | 1 |  |" in text
    assert "8 of 10" in following_table(FOLLOWING)
