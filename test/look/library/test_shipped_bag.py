"""The bag that is shown where nothing is given, and what a viewer does with it."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from look_library import (
    PATIENCE,
    LastingSegmenter,
    LookViewer,
    held_picture,
    mark,
    nanoseconds,
    pixels,
)

from sam3_ros.core.geometry import Point
from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.core.segmenter.masks import inmost_point, iou
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.look.library.bag_reel import BagReel
from sam3_ros.look.library.library_viewing import LibraryViewing
from sam3_ros.look.library.opening import open_library
from sam3_ros.look.viewing import Marks, PictureLayer, PictureStamp, View
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.truth import read_truth
from sam3_ros.ros.launching.shared_files import demo_bag

FRONT = "camera"


@pytest.fixture(scope="module")
def segmenter():
    return LastingSegmenter.load("tabletop", threads=1)


@pytest.fixture(scope="module")
def truth():
    with open_bag(demo_bag()) as bag:
        return read_truth(bag, "/camera/image/compressed")


@pytest.fixture
def viewing(segmenter):
    opened = open_library(lambda: segmenter)
    yield opened
    opened.close()


class SlowBag(BagReel):
    """Plays slower than it was recorded, so that a busy machine leaves no picture out."""

    def lap(self):
        for shot in super().lap():
            yield replace(shot, at=4 * shot.at)


@pytest.fixture
def slow_viewing(segmenter):
    opened = LibraryViewing(SlowBag(demo_bag(), ReadSettings()), lambda: segmenter, ["red cube"])
    yield opened
    opened.close()


def true_mask(truth, picture, words):
    numbers = truth.named_by(words)
    return truth.mask(nanoseconds(picture.stamp), numbers)


def click_on(truth, picture, words):
    return Marks(positive=(inmost_point(true_mask(truth, picture, words)),))


def listed(asked, *camera):
    return {each.id: each for each in asked.prompts(*camera)}


def is_answered(picture):
    return picture.segments is not None


def test_with_nothing_it_shows_the_red_cube_of_the_shipped_bag(viewing, truth):
    assert [camera.title for camera in viewing.cameras()] == ["camera", "side"]
    with LookViewer(viewing) as viewer:
        picture = viewer.until(lambda each: bool(each.segments))
        assert {each.label for each in picture.segments} == {"red cube"}
        assert (picture.width, picture.height) == (640, 480)
        assert pixels(picture.image).shape == (480, 640, 3)
        held = held_picture(viewing)
    files = held.files().result(PATIENCE)
    image = json.loads(files.json)["images"][0]
    best = RunLengths.parsed(image["segments"][0]["segmentation"]).mask()
    assert iou(best, true_mask(truth, held.picture, "red cube")) > 0.8
    assert np.array_equal(pixels(files.mask_png)[best], np.ones(best.sum()))
    assert image["stamp"] == held.picture.stamp._asdict()
    assert image["label_values"] == {"red cube": 1}
    assert image["segments"][0]["area"] == best.sum()
    assert pixels(files.overlay_png).shape == (480, 640, 3)
    cube = listed(viewing, FRONT)["red cube"]
    assert (cube.kind, cube.text) == ("text", "red cube")
    assert cube.count >= 1
    assert viewing.health(FRONT).model == "tabletop"


def test_two_views_of_a_camera_show_the_same_masks(viewing):
    masks = View(FRONT, PictureLayer.MASKS, with_plain=True)
    with LookViewer(viewing) as viewer, LookViewer(viewing, masks) as other:
        viewer.until(lambda each: bool(each.segments))
        picture = other.until(lambda each: bool(each.segments))
        assert picture.image.media_type == "image/png"
        held = held_picture(viewing)
    shown = held.show(masks).result(PATIENCE)
    rgba = np.asarray(pixels(shown.image))
    assert rgba.shape == (480, 640)  # by a palette whose first entry is transparent
    assert (rgba > 0).sum() == (pixels(held.files().result(PATIENCE).mask_png) > 0).sum()
    assert pixels(shown.plain).shape == (480, 640, 3)


def test_a_paused_picture_is_answered_on_exactly_that_picture(viewing, truth):
    with LookViewer(viewing) as viewer:
        viewer.until(is_answered)
        held = held_picture(viewing)
        stamp = held.picture.stamp
        viewer.until(lambda each: each.stamp > stamp)  # the live pictures go on
        verdict = mark(held, held.picture, click_on(truth, held.picture, "white star"))
        assert verdict.accepted
        assert verdict.prompt_ids == ("point",)
        assert held.ask_texts(("white ball; green ring",)).result(PATIENCE).accepted
        assert held.picture.stamp == stamp
        assert set(listed(held)) == {"red cube", "point", "white ball", "green ring"}
        assert set(listed(viewing, FRONT)) == {"red cube"}
    files = held.files().result(PATIENCE)
    values = json.loads(files.json)["images"][0]["label_values"]
    labels = pixels(files.mask_png)
    star = labels == values["point"]
    assert iou(star, true_mask(truth, held.picture, "white star")) > 0.7
    assert held.rename("point", FRONT, " my  star ").result(PATIENCE).accepted
    assert "my star" in [each.label for each in held.picture.segments]
    assert held.remove("point", FRONT).result(PATIENCE).accepted
    assert "point" not in [each.prompt_id for each in held.picture.segments]
    assert not held.remove("point", FRONT).result(PATIENCE).accepted
    assert held.set_threshold(1.0).result(PATIENCE).accepted
    assert held.picture.segments == ()
    held.release()


def test_a_click_is_answered_on_its_picture_and_followed_from_there(slow_viewing, truth):
    viewing = slow_viewing
    with LookViewer(viewing) as viewer:
        seen = viewer.until(is_answered)
        viewer.until(lambda each: each.stamp > seen.stamp)
        verdict = mark(viewing, seen, click_on(truth, seen, "purple ball"))
        assert verdict.accepted, verdict.reason
        later = viewer.until(lambda each: any(s.prompt_id == "point" for s in each.segments or ()))
        (ball,) = [each for each in later.segments if each.prompt_id == "point"]
        assert ball.track_id == 1
        assert listed(viewing, FRONT)["point"].followed
        # A correction keeps the id.
        held = held_picture(viewing)
        corrected = mark(
            viewing, held.picture, click_on(truth, held.picture, "purple ball"), prompt_id="point"
        )
        assert corrected.accepted, corrected.reason
        picture = viewer.answered()
        assert [s.track_id for s in picture.segments if s.prompt_id == "point"] == [1]
        middle = inmost_point(true_mask(truth, picture, "purple ball"))
        (now,) = [each for each in picture.segments if each.prompt_id == "point"]
        assert now.box.x_min < middle.x < now.box.x_max
        # Asked again, it is looked for where it was marked.
        assert viewing.freeze("point", FRONT, True).result(PATIENCE).accepted
        viewer.until(lambda each: all(s.prompt_id != "point" for s in each.segments or ()))
        asked_again = viewing.freeze("point", FRONT, False).result(PATIENCE)
        assert asked_again.accepted or listed(viewing, FRONT)["point"].frozen


def test_prompts_are_frozen_renamed_followed_and_removed(viewing):
    def shows(prompt_id):
        return lambda each: (
            each.segments is not None
            and (prompt_id in {segment.prompt_id for segment in each.segments})
        )

    with LookViewer(viewing) as viewer:
        viewer.until(shows("red cube"))
        assert viewing.freeze("red cube", "", True).result(PATIENCE).accepted
        viewer.until(lambda each: each.segments == ())
        cube = listed(viewing, FRONT)["red cube"]
        assert cube.frozen
        assert cube.count is None
        assert viewing.rename("red cube", "", "mine").result(PATIENCE).accepted
        assert viewing.freeze("red cube", "", False).result(PATIENCE).accepted
        picture = viewer.until(shows("red cube"))
        assert picture.segments[0].label == "mine"
        assert viewing.follow("red cube", "", True).result(PATIENCE).accepted
        tracked = viewer.until(lambda each: any(s.track_id for s in each.segments or ()))
        assert tracked.segments[0].label == "mine"
        assert viewing.remove("red cube", "").result(PATIENCE).accepted
        viewer.until(lambda each: each.segments == ())
        assert viewing.prompts(FRONT) == ()


def test_what_cannot_be_asked_is_refused_in_words(viewing):
    with LookViewer(viewing) as viewer:
        picture = viewer.until(is_answered)
        far = Marks(positive=(Point(5000.0, 20.0),))
        old = Marks(positive=(Point(50.0, 20.0),))
        several = Marks(positive=tuple(Point(1.0, 1.0) for _ in range(300)))
        refusals = [
            (viewing.ask_texts(("",)), "must not be blank"),
            (viewing.ask_texts(("x" * 1001,)), "at most 1000 characters"),
            (viewing.ask_texts(("cube",), "back"), "no camera 'back'"),
            (viewing.ask_marks(FRONT, picture.stamp, far), "outside the image"),
            (viewing.ask_marks(FRONT, picture.stamp, Marks()), "needs a box or at least one point"),
            (viewing.ask_marks(FRONT, PictureStamp(1, 2), old), "no longer kept"),
            (viewing.ask_marks(FRONT, picture.stamp, several), "at most 256 points"),
            (viewing.ask_marks(FRONT, picture.stamp, old, "red cube"), "found by its text"),
            (viewing.set_threshold(1.5), "must be in 0..1"),
            (viewing.remove("ball", ""), "'ball' is not asked"),
            (viewing.rename("red cube", "", " "), "must not be blank"),
            (viewing.freeze("ball", "", True), "'ball' is not asked"),
        ]
        for future, reason in refusals:
            verdict = future.result(PATIENCE)
            assert not verdict.accepted
            assert reason in verdict.reason
        assert set(listed(viewing, FRONT)) == {"red cube"}
        words = viewing.ask_texts(("red zeppelin",)).result(PATIENCE)
        assert words.accepted
        assert "does not know 'zeppelin'" in words.warnings[0]


def test_what_nobody_watches_is_not_computed(viewing):
    ran = []
    viewing._thread.submit(lambda: ran.append("model")).result(PATIENCE)  # it is loaded
    assert viewing.health(FRONT).frames_per_second is None
    with LookViewer(viewing, View("side")) as viewer:
        viewer.until(is_answered)
    assert viewing._live.of_camera[FRONT].answers == 0
    viewing._thread.submit(lambda: None).result(PATIENCE)
    before = viewing._live.of_camera["side"].ledger.report()
    time.sleep(0.5)
    after = viewing._live.of_camera["side"].ledger.report()
    assert after.answered == before.answered
    assert after.received - before.received <= 1  # that was read already
    with LookViewer(viewing, View("side")) as viewer:  # it goes on where it was
        viewer.until(is_answered)
        viewer.answered()


def test_the_end_of_the_source_refuses_what_waits(segmenter):
    viewing = open_library(lambda: time.sleep(0.3) or segmenter)
    waiting = viewing.ask_texts(("ball",))
    held = viewing.hold(View(FRONT))
    viewing.close()
    assert "has ended" in waiting.result(PATIENCE).reason
    assert "has ended" in held.result(PATIENCE).verdict.reason
    assert "has ended" in viewing.ask_texts(("cone",)).result(PATIENCE).reason
    assert viewing.health(FRONT).state == "ended"


def test_a_model_that_cannot_be_loaded_is_told_and_pictures_are_shown():
    def fail():
        raise RuntimeError("no such engine")

    viewing = open_library(fail)
    try:
        with LookViewer(viewing) as viewer:
            assert viewer.until(lambda _: True).segments is None
        verdict = viewing.ask_texts(("ball",)).result(PATIENCE)
        assert "could not be loaded" in verdict.reason
        assert not viewing.hold(View(FRONT)).result(PATIENCE).verdict.accepted
        health = viewing.health(FRONT)
        assert health.state == "inactive"
        assert "no such engine" in health.troubles[0].what
    finally:
        viewing.close()
