"""The review sheet: what it shows, and that nothing in it is obeyed by a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import pytest
from bags import IMAGES, SIDE_IMAGES, write_bag
from label_results import BALL_LABEL, BALLS, FAILED, label_results

from sam3_ros.label.outputs.bag import write_bags
from sam3_ros.label.outputs.coco import write_coco
from sam3_ros.label.outputs.parquet import write_parquet
from sam3_ros.label.outputs.review.sheet import write_review
from sam3_ros.label.outputs.review.summary import SHOWN, summarised
from sam3_ros.label.outputs.unfinished import UNFINISHED_NAME
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.results import RunResults

FRAMES = 60
HOSTILE = "drive<script>alert(1)</script>&"


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pictures: list[str] = []
        self.words: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        self.pictures += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    folder = tmp_path_factory.mktemp("run")
    bag = write_bag(folder / "bag", FRAMES, side=True)
    return label_results(folder / "work", {HOSTILE: bag}, FRAMES, chunk=20)


def test_the_page_says_what_was_found_and_obeys_no_name(results, tmp_path):
    (index,) = write_review(results, tmp_path)
    page = Page(index)
    assert not {"script", "b", "link", "iframe"} & set(page.tags)
    assert HOSTILE in page.words
    assert page.words.count(BALL_LABEL) == 1
    assert f"{2 * FRAMES - 1:,}" in page.words  # a ball in each image that was answered
    assert {"svg", "img"} <= set(page.tags)
    (name,) = page.pictures
    assert "/" not in name
    sheet = cv2.imread(str(index.parent / name))
    assert sheet.shape[1] > SHOWN * 400
    # The shapes' colours under their overlays, which no grey or white paper has.
    assert (sheet.max(axis=2).astype(int) - sheet.min(axis=2) > 60).mean() > 0.02


def test_the_best_and_the_worst_are_shown_but_no_neighbours(results):
    summary = summarised(results.sources[0])
    shown = {
        kind: [(each.topic, each.frame.index) for each in placed]
        for kind, placed in summary.shown.items()
    }
    assert {len(each) for each in shown.values()} == {SHOWN}
    # Scores fall from frame to frame, so the first of 25 is their best and the last their worst;
    # one of the first camera's was not answered.
    assert shown["best"] == [(IMAGES, 0), (SIDE_IMAGES, 0), (SIDE_IMAGES, 25)]
    assert shown["worst"] == [(IMAGES, 50), (IMAGES, FRAMES - 1), (SIDE_IMAGES, FRAMES - 1)]
    assert (IMAGES, FAILED) not in {place for each in shown.values() for place in each}
    assert summary.counts.failed == 1
    assert summary.counts.objects[BALLS] == 2 * FRAMES - 1
    assert sum(summary.counts.all_scores.values()) == 4 * (2 * FRAMES - 1)


def test_a_source_that_is_gone_is_told_without_pictures(results, tmp_path):
    labelled = results.sources[0]
    gone = replace(labelled, source=replace(labelled.source, path="/nowhere/drive"))
    (index,) = write_review(replace(results, sources=[gone]), tmp_path)
    assert any("Pictures are missing: " in each for each in Page(index).words)


def test_pictures_are_read_as_they_were_labelled(results, tmp_path):
    (index,) = write_review(replace(results, reading=ReadSettings(max_megapixels=0.001)), tmp_path)
    assert any("no longer what it was" in each for each in Page(index).words)


WRITERS: list[Callable[[RunResults, Path], tuple[Path, ...]]] = [
    write_bags,
    write_coco,
    write_parquet,
    write_review,
]


@pytest.mark.parametrize("write", WRITERS)
def test_equal_answers_make_equal_bytes_in_place_of_the_old_ones(write, results, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    (second / UNFINISHED_NAME / "of an earlier run").mkdir(parents=True)
    written = write(results, first)
    write(replace(results, bundle_name="other"), second)
    write(results, second)
    files = {path.relative_to(first): path.read_bytes() for path in _files(first)}
    assert {path.relative_to(first) for path in written} <= set(files)
    assert {path.relative_to(second): path.read_bytes() for path in _files(second)} == files


@pytest.mark.parametrize("write", WRITERS)
def test_what_fails_leaves_what_was_there(write, results, tmp_path):
    write(results, tmp_path)
    before = {path: path.read_bytes() for path in _files(tmp_path)}
    lacking = tmp_path.with_name(f"{tmp_path.name}-lacking")
    shutil.copytree(results.sources[0].folder, lacking)
    (lacking / "000004.json").unlink()
    broken = replace(results, sources=[replace(results.sources[0], folder=lacking)])
    with pytest.raises(OSError, match=r"000004\.json"):
        write(broken, tmp_path)
    assert {path: path.read_bytes() for path in _files(tmp_path)} == before
    assert not (tmp_path / UNFINISHED_NAME).exists()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
