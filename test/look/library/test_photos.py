"""Photos and folders of them: each is a camera that stays."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from look_library import (
    PATIENCE,
    LastingSegmenter,
    LookViewer,
    held_picture,
    mark,
    pixels,
)

from sam3_ros.cli.main import main
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.look.library.opening import open_library
from sam3_ros.look.viewing import Marks, PictureStamp, View


@pytest.fixture(scope="module")
def segmenter():
    return LastingSegmenter.load("tabletop", threads=1)


@pytest.fixture(scope="module")
def objects(segmenter):
    """Return segments of the photo that lie apart: what the library itself answers."""
    image = segmenter.encode_image(read_rgb(TABLE))
    found = segmenter.ask(image, ["red cube", "ball"])
    best = [answers[0] for answers in found.by_prompt]
    assert len(best) == 2
    return best


@pytest.fixture
def viewing(segmenter):
    opened = open_library(lambda: segmenter, [str(TABLE)])
    yield opened
    opened.close()


def middle(segment):
    rows, columns = np.nonzero(segment.mask)
    return Point(float(np.median(columns)) + 0.5, float(np.median(rows)) + 0.5)


def labels(picture):
    return sorted(segment.label for segment in picture.segments or ())


def test_a_photo_is_shown_at_once_and_answers_texts_and_marks(viewing, segmenter, objects):
    cube, ball = objects
    assert [camera.title for camera in viewing.cameras()] == ["table.jpg"]
    with LookViewer(viewing) as viewer:
        shown = viewer.until(lambda _: True)
        assert pixels(shown.image).shape == (shown.height, shown.width, 3)
        assert viewing.ask_texts(("red cube",)).result(PATIENCE).prompt_ids == ("red cube",)
        picture = viewer.until(lambda each: "red cube" in labels(each))
        assert picture.stamp == shown.stamp
        box = mark(viewing, picture, Marks(box=ball.box))
        assert box.prompt_ids == ("box",)
        click = mark(viewing, picture, Marks(positive=(middle(cube),)))
        assert click.accepted, click.reason
        viewer.until(lambda each: {"box", "point"} <= set(labels(each)))
        listed = {each.id: each for each in viewing.prompts("")}
        assert [each.kind for each in listed.values()] == ["text", "box", "click"]
        assert not listed["point"].followed
        # What a negative mark adds is what the library answers to both together.
        corner = Point(cube.box.x_min + 2, cube.box.y_min + 2)
        more = mark(viewing, picture, Marks(negative=(corner,)), prompt_id="point")
        assert more.accepted, more.reason
        held = held_picture(viewing)
    (point,) = [each for each in held.picture.segments if each.prompt_id == "point"]
    image = segmenter.encode_image(read_rgb(TABLE))
    both = InteractivePrompt(points=(middle(cube), corner), point_labels=(1, 0), id="point")
    (expected,) = segmenter.ask(image, both)
    assert point.box == expected.box
    assert point.score == pytest.approx(expected.score)
    assert "does not move" in viewing.follow("red cube", "", True).result(PATIENCE).reason
    assert viewing.remove("box", "").result(PATIENCE).accepted
    assert {each.id for each in viewing.prompts("")} == {"red cube", "point"}


def test_what_was_asked_just_now_is_in_a_paused_picture(viewing):
    with LookViewer(viewing) as viewer:
        viewer.until(lambda each: each.segments == ())
    assert viewing.ask_texts(("red cube",)).result(PATIENCE).accepted  # and nobody watches
    held = held_picture(viewing)
    assert [each.id for each in held.prompts()] == ["red cube"]
    assert "red cube" in labels(held.picture)


def test_what_is_answered_already_is_not_computed_again(viewing, segmenter):
    asked = []
    ask = segmenter.ask

    def counted(image, prompts, threshold=None):
        asked.append([prompt.id for prompt in prompts])
        return ask(image, prompts, threshold)

    segmenter.ask = counted
    try:
        with LookViewer(viewing) as viewer:
            assert viewing.ask_texts(("red cube",)).result(PATIENCE).accepted
            viewer.until(lambda each: "red cube" in labels(each))
            assert viewing.ask_texts(("ball",)).result(PATIENCE).accepted
            viewer.until(lambda each: "ball" in labels(each))
        with LookViewer(viewing) as viewer:
            viewer.until(lambda each: "ball" in labels(each))
            assert asked == [["red cube"], ["ball"]]
            assert viewing.set_threshold(1.0).result(PATIENCE).accepted
            viewer.until(lambda each: each.segments == ())
    finally:
        del segmenter.ask
    assert asked[2:] == [["red cube", "ball"]]
    assert viewing.health("").threshold == 1.0


def test_a_file_to_keep_says_what_segment_says(viewing, tmp_path, capsys):
    with LookViewer(viewing) as viewer:
        assert viewing.ask_texts(("red cube",)).result(PATIENCE).accepted
        viewer.until(lambda each: "red cube" in labels(each))
        files = held_picture(viewing).files().result(PATIENCE)
    command = ["segment", str(TABLE), "--text", "red cube", "--masks", "rle", "--json"]
    assert main([*command, "--threads", "1", "--out", str(tmp_path / "out")]) == 0
    (expected,) = json.loads(capsys.readouterr().out)["images"]
    document = json.loads(files.json)
    (image,) = document["images"]
    assert document["bundle"] == "tabletop"
    for key in ("width", "height", "label_values", "segments"):
        assert image[key] == expected[key]
    assert files.name.startswith("picture_")


def test_each_photo_of_a_folder_is_a_camera_and_a_damaged_one_is_told(segmenter, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        shutil.copy(TABLE, folder / name)
    (folder / "a.jpg").write_bytes(TABLE.read_bytes()[:2000])
    (folder / "notes.txt").write_text("no photo")
    viewing = open_library(lambda: segmenter, [str(folder)])
    try:
        names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
        assert [camera.name for camera in viewing.cameras()] == names
        assert viewing.ask_texts(("red cube",)).result(PATIENCE).accepted
        for name in ("d.jpg", "c.jpg"):  # a text is asked of every photo
            with LookViewer(viewing, View(name)) as viewer:
                picture = viewer.until(lambda each: "red cube" in labels(each))
                assert picture.camera == name
        click = Marks(positive=(Point(200.0, 200.0),))
        assert mark(viewing, picture, click).accepted  # and a click of its own
        assert [each.id for each in viewing.prompts("d.jpg")] == ["red cube"]
        assert [each.camera for each in viewing.prompts("c.jpg")] == ["", "c.jpg"]
        with LookViewer(viewing, View("a.jpg")):
            viewing._thread.submit(lambda: None).result(PATIENCE)
            refused = viewing.hold(View("a.jpg")).result(PATIENCE)
        assert "no image that can be decoded" in refused.verdict.reason
        health = viewing.health("a.jpg")
        assert dict(health.drops) == {"the picture could not be read": 1}
        assert "a.jpg" in health.last_error
        unknown = viewing.ask_marks("b.jpg", PictureStamp(5, 0), click).result(PATIENCE)
        assert "no longer kept" in unknown.reason
    finally:
        viewing.close()
    assert viewing._live.of_camera["b.jpg"].answers == 0  # nobody looked at it


def test_many_paused_pictures_are_refused_until_one_is_let_go(viewing):
    with LookViewer(viewing) as viewer:
        viewer.until(lambda each: each.segments is not None)
        held = [held_picture(viewing) for _ in range(16)]
        refused = viewing.hold(View("")).result(PATIENCE)
        assert "16 pictures are paused already" in refused.verdict.reason
        held[0].release()
        held[0].release()
        held_picture(viewing)
        assert not viewing.hold(View("")).result(PATIENCE).verdict.accepted


def test_a_large_photo_is_shown_smaller_and_marked_in_its_own_pixels(segmenter, tmp_path):
    import cv2

    photo = tmp_path / "large.png"
    cv2.imwrite(str(photo), cv2.resize(cv2.imread(str(TABLE)), (2560, 1920)))
    viewing = open_library(lambda: segmenter, [str(photo)], texts=["red cube"])
    try:
        with LookViewer(viewing) as viewer:
            picture = viewer.until(lambda each: "red cube" in labels(each))
            held = held_picture(viewing)
        assert (picture.width, picture.height) == (2560, 1920)
        assert pixels(picture.image).shape == (1440, 1920, 3)
        box = picture.segments[0].box
        marked = Marks(box=Box(box.x_min, box.y_min, box.x_max, box.y_max))
        assert mark(held, picture, marked).accepted
        found = {each.prompt_id: each.box for each in held.picture.segments}
        assert found["box"].x_min == pytest.approx(box.x_min, abs=120)
        assert pixels(held.files().result(PATIENCE).mask_png).shape == (1920, 2560)
    finally:
        viewing.close()
