"""What a page shows of an answered picture, and the files to keep of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from look_library import pixels
from scenes import colour_scene, patch_mask

from sam3_ros.core.geometry import Box
from sam3_ros.core.pictures.palette import prompt_colour, track_colour
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
from sam3_ros.look.drawing.answered_picture import AnsweredPicture
from sam3_ros.look.drawing.frame_files import frame_files
from sam3_ros.look.viewing import PictureLayer, View

SIZE = (96, 128)
RGB = colour_scene(*SIZE, {})
LEFT, RIGHT = (10, 10, 50, 60), (70, 20, 110, 80)


def segment(prompt_id, corners, score=0.9, track=None):
    mask = patch_mask(*SIZE, corners)
    return Segment(prompt_id, prompt_id, score, Box(*corners), mask, None, track)


def picture(*found, values=None):
    given = values or {each.prompt_id: 1 for each in found}
    return AnsweredPicture.of("front/left", 1_500_000_000, RGB, found, given)


def coloured(png):
    from io import BytesIO

    from PIL import Image

    return np.asarray(Image.open(BytesIO(png.data)).convert("RGBA"))


def test_masks_have_the_colours_of_their_prompts_and_tracks_and_nothing_else_is_seen():
    tracked = TrackStatus(3, TrackState.CONFIRMED, 5, 0)
    shown = picture(segment("cube", LEFT), segment("ball", RIGHT, 0.8, tracked))
    rgba = coloured(shown.viewed(View("front/left", PictureLayer.MASKS)).image)
    assert tuple(rgba[30, 30]) == (*prompt_colour(1), 255)
    assert tuple(rgba[40, 90]) == (*track_colour(3), 255)
    assert (rgba[..., 3] > 0).sum() == sum(each.mask.sum() for each in shown.segments)


def test_the_better_of_two_masks_shows_where_they_overlap():
    values = {"cube": 1, "ball": 2}
    shown = picture(segment("cube", LEFT, 0.5), segment("ball", LEFT, 0.9), values=values)
    assert tuple(coloured(shown.masks)[30, 30][:3]) == prompt_colour(2)
    assert [each.label for each in shown.seen] == ["ball", "cube"]
    assert [each.id for each in shown.seen] == [1, 2]


@pytest.mark.parametrize("found", [(), None])
def test_without_masks_the_picture_is_plain(found):
    shown = AnsweredPicture.of("", 0, RGB, found, {})
    assert shown.overlay is shown.plain
    assert (coloured(shown.masks)[..., 3] == 0).all()
    assert shown.viewed(View("", with_plain=True)).segments == found
    assert np.abs(pixels(shown.plain).astype(int) - RGB).mean() < 8


def test_what_is_not_seen_is_listed_and_has_no_pixels():
    hidden = TrackStatus(1, TrackState.OCCLUDED, 9, 4)
    nothing = np.zeros(SIZE, bool)
    unseen = Segment("ball", "ball", 0.0, Box(*RIGHT), nothing, None, hidden)
    shown = picture(segment("cube", LEFT), unseen)
    assert [(each.state, each.score) for each in shown.seen] == [("", 0.9), ("occluded", 0.0)]
    files = frame_files(shown, [(ConceptPrompt("cube"), "cube")], "tabletop")
    (image,) = json.loads(files.json)["images"]
    assert [each["label"] for each in image["segments"]] == ["cube"]


def test_files_to_keep_name_each_other_and_their_prompts():
    point = InteractivePrompt(points=((30, 30), (5, 5)), point_labels=(1, 0), id="it")
    shown = picture(segment("it", LEFT))
    files = frame_files(shown, [(point, "mine")], "tabletop")
    assert files.name == "front_left_1_500000000"
    (image,) = json.loads(files.json)["images"]
    assert image["overlay"] == f"{files.name}.png"
    assert image["labels"] == f"{files.name}_masks.png"
    assert image["prompts"] == [
        {"id": "it", "label": "mine", "points": [[30, 30], [5, 5]], "point_labels": [1, 0]}
        | {"box": None}
    ]
    assert (pixels(files.mask_png) == 1).sum() == image["segments"][0]["area"] == 40 * 50
    assert pixels(files.overlay_png).shape == RGB.shape
