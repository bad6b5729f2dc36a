"""People look at the shipped bag in a browser, type, click and drag."""

from __future__ import annotations

import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from look_page import PHONE, LookPage, viewer
from look_server import LookServer
from look_truth import SIDE, ShownTruth, shown_truth
from playwright.sync_api import Browser, expect

from sam3_ros.core.pictures.coco_rle import RunLengths

FIRST = "red cube"


@pytest.fixture(scope="module")
def truth() -> ShownTruth:
    return shown_truth()


@pytest.fixture
def page(browser: Browser, bag_server: LookServer) -> Iterator[LookPage]:
    """Return a viewer of the front camera; what it asked is removed afterwards."""
    with viewer(browser, bag_server.link) as opened:
        opened.shows_pictures()
        yield opened
        opened.remove_all(but=FIRST)


def assert_masks(page: LookPage, truth: ShownTruth, *phrases: str) -> None:
    """Hold the masks on the paused picture to those of the bag."""
    truth.assert_masks(truth.stamp_of(page.shown()), page.masks(), *phrases)


def test_the_first_look_shows_red_cubes(page: LookPage, truth: ShownTruth) -> None:
    expect(page.prompt(FIRST)).to_have_count(1)
    page.pause()
    assert_masks(page, truth, FIRST)
    cube = truth.mask(truth.stamp_of(page.shown()), FIRST)
    drawn = page.drawn_over()
    assert np.mean(drawn[cube]) > 0.8
    assert np.mean(drawn) < 4 * np.mean(cube)  # with its frame and caption


def test_phrases_that_are_typed_are_found(page: LookPage, truth: ShownTruth) -> None:
    page.ask("white star; purple ball")
    expect(page.count_of("white star")).to_have_text("1")
    expect(page.count_of("purple ball")).to_have_text("1")
    page.pause()
    assert_masks(page, truth, FIRST, "white star", "purple ball")
    page.resume()
    page.button("Remove white star").click()
    expect(page.prompt("white star")).to_have_count(0)
    page.pause()
    assert_masks(page, truth, FIRST, "purple ball")


def test_a_click_follows_an_object(page: LookPage, truth: ShownTruth) -> None:
    page.pause()
    x, y = truth.centre(truth.stamp_of(page.shown()), "purple ball")
    page.resume()
    page.click(x, y)
    expect(page.prompts).to_have_count(2)
    page.pause()
    assert_masks(page, truth, FIRST, "purple ball")


def test_a_click_with_shift_says_what_it_is_not(page: LookPage, truth: ShownTruth) -> None:
    page.pause()
    stamp = truth.stamp_of(page.shown())
    page.click(*truth.centre(stamp, "purple ball"))
    expect(page.prompts).to_have_count(2)
    page.click(*truth.centre(stamp, "white star"), shift=True)
    assert_masks(page, truth, FIRST, "purple ball")
    expect(page.prompts).to_have_count(2)


def test_a_box_that_is_dragged_outlines_an_object(page: LookPage, truth: ShownTruth) -> None:
    page.pause()
    stamp = truth.stamp_of(page.shown())
    (number,) = truth.truth.named_by("red ring") or ()
    box = truth.truth.bounds(stamp, number)
    assert box is not None
    page.drag(box.x_min, box.y_min, box.x_max, box.y_max)
    expect(page.prompts).to_have_count(2)
    assert_masks(page, truth, FIRST, "red ring")


def test_a_click_on_a_paused_picture_is_answered_on_it(page: LookPage, truth: ShownTruth) -> None:
    page.pause()
    before = page.stamp
    page.click(*truth.centre(truth.stamp_of(page.shown()), "orange pyramid"))
    expect(page.prompts).to_have_count(2)
    assert_masks(page, truth, FIRST, "orange pyramid")
    assert page.stamp == before
    page.resume()
    expect(page.prompts).to_have_count(1)  # the live pictures were not asked


def test_a_paused_picture_has_a_threshold_of_its_own(page: LookPage) -> None:
    threshold = page.page.get_by_role("slider", name="Threshold")
    page.pause()
    threshold.focus()
    threshold.press("End")
    expect(page.count_of(FIRST)).to_have_text("0")
    page.resume()
    expect(threshold).to_have_value("0")  # the live pictures', which nobody has changed


def test_a_frame_is_downloaded_with_its_masks(page: LookPage, truth: ShownTruth) -> None:
    page.pause()
    stamp = truth.stamp_of(page.shown())
    overlay = cv2.imdecode(np.frombuffer(page.download("Download PNG"), np.uint8), 1)
    labels = cv2.imdecode(np.frombuffer(page.download("Download masks"), np.uint8), -1)
    (answer,) = json.loads(page.download("Download JSON"))["images"]
    assert overlay.shape == (480, 640, 3)
    truth.assert_masks(stamp, labels == 1, FIRST)
    assert [prompt["label"] for prompt in answer["prompts"]] == [FIRST]
    found = [RunLengths.parsed(each["segmentation"]).mask() for each in answer["segments"]]
    assert np.array_equal(np.logical_or.reduce(found), labels == 1)


def test_the_other_camera_is_shown_by_its_name(page: LookPage) -> None:
    page.show_camera("side")
    page.pause()
    shown_truth(SIDE).stamp_of(page.shown())


def test_two_viewers_see_each_others_prompts(
    page: LookPage, bag_server: LookServer, browser: Browser
) -> None:
    with viewer(browser, bag_server.link) as other:
        other.ask("black ring")
        expect(page.count_of("black ring")).to_have_text("1")
        page.button("Remove black ring").click()
        expect(other.prompt("black ring")).to_have_count(0)


def test_html_is_shown_as_text(page: LookPage) -> None:
    text = '<img src=x onerror="window.harmed=1"><b>red</b> cube'
    page.ask(text)
    expect(page.prompts.filter(has=page.page.locator("b, img"))).to_have_count(0)
    expect(page.prompt(text)).to_be_visible()
    assert page.page.evaluate("window.harmed") is None


def test_ten_megabytes_of_text_are_refused_in_words(page: LookPage) -> None:
    page.ask("cube " * 2_000_000)
    expect(page.message).to_contain_text("1000 characters")
    page.ask("black star")
    expect(page.prompt("black star")).to_be_visible()


def test_a_phone_taps_and_presses_long(
    browser: Browser, bag_server: LookServer, truth: ShownTruth
) -> None:
    with viewer(browser, bag_server.link, **PHONE) as phone:
        phone.shows_pictures()
        assert phone.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        phone.pause()
        stamp = truth.stamp_of(phone.shown())
        phone.tap(*truth.centre(stamp, "red cylinder"))
        expect(phone.prompts).to_have_count(2)
        phone.press_long(*truth.centre(stamp, "black ring"))
        assert_masks(phone, truth, FIRST, "red cylinder")
        expect(phone.prompts).to_have_count(2)
