from __future__ import annotations

import numpy as np
import pytest
from bags import IMAGES, SIDE_IMAGES, write_bag

from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, TextCue
from sam3_ros.replay.ask.settings import ReplayError
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.image_times import ImageTimes, read_image_times
from sam3_ros.replay.bag.truth import TrueObject, Truth, read_truth
from sam3_ros.replay.demo import DemoCamera, demo_script


@pytest.fixture(scope="module")
def cameras(tmp_path_factory) -> tuple[DemoCamera, DemoCamera]:
    path = write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=60, side=True)
    with open_bag(path) as bag:
        return tuple(
            DemoCamera(name, read_truth(bag, topic), read_image_times(bag, topic))
            for name, topic in (("camera", IMAGES), ("side", SIDE_IMAGES))
        )


def object_at(camera: DemoCamera, cue: PointCue) -> int:
    return camera.truth.number_at(camera.times.stamp_at(cue.at), cue.x, cue.y)


def clicks_of(cameras, camera: DemoCamera, *, tracking: bool) -> list[PointCue]:
    cues = [cue for cue in demo_script(cameras) if isinstance(cue, PointCue)]
    return [cue for cue in cues if (cue.camera, cue.tracking) == (camera.name, tracking)]


def test_texts_change_for_both_cameras_and_the_last_names_nothing(cameras):
    cues = [cue for cue in demo_script(cameras) if isinstance(cue, TextCue)]
    texts, truth = [cue.text for cue in cues], cameras[0].truth
    assert len(texts) == 5
    assert len(set(texts)) == 4
    assert {cue.camera for cue in cues} == {""}
    for text in texts[:-1]:
        assert all(truth.named_by(phrase) for phrase in text.split(";"))
    assert truth.named_by(texts[-1]) == set()


def test_clicks_and_boxes_lie_on_one_object_each_in_their_own_image(cameras):
    camera = cameras[0]
    clicks = clicks_of(cameras, camera, tracking=False)
    boxes = [cue for cue in demo_script(cameras) if isinstance(cue, BoxCue)]
    assert min(len(clicks), len(boxes)) >= 5
    clicked = {object_at(camera, cue) for cue in clicks}
    assert len(clicked) == 1
    assert clicked != {0}
    for box in boxes:
        assert (box.on, box.camera) == (On.IMAGE, "camera")
        stamp = camera.times.stamp_at(box.at)
        number = camera.truth.number_at(stamp, box.x_min + 5, box.y_min + box.height / 2)
        bounds = camera.truth.bounds(stamp, number)
        assert bounds == box.box
        assert number not in clicked


def test_one_click_on_what_no_text_names_is_followed(cameras):
    (click,) = clicks_of(cameras, cameras[0], tracking=True)
    number = object_at(cameras[0], click)
    named = [
        cameras[0].truth.named_by(phrase)
        for cue in demo_script(cameras)
        if isinstance(cue, TextCue)
        for phrase in cue.phrases
    ]
    assert number != 0
    assert all(number not in numbers for numbers in named)


def hiding(camera: DemoCamera, number: int, frames: slice) -> DemoCamera:
    """Return a camera that does not see an object in some frames."""
    labels = dict(camera.truth.labels)
    for stamp in sorted(labels)[frames]:
        labels[stamp] = np.where(labels[stamp] == number, 0, labels[stamp]).astype(np.uint8)
    return DemoCamera(camera.name, Truth(labels, camera.truth.objects), camera.times)


def tracked_texts(*cameras: DemoCamera) -> list[TextCue]:
    return [cue for cue in demo_script(cameras) if isinstance(cue, TextCue) and cue.tracking]


def test_what_is_hidden_for_a_while_is_tracked_by_its_name(cameras):
    first, side = cameras
    assert tracked_texts(first, side) == []
    (cue,) = tracked_texts(hiding(first, 2, slice(40, 50)), side)
    assert (cue.text, cue.camera) == ("blue cube", "camera")
    assert cue.at < 1


@pytest.mark.parametrize("frames", [slice(0, 10), slice(50, None)])
def test_what_comes_or_leaves_is_not_hidden_for_a_while(cameras, frames):
    assert tracked_texts(hiding(cameras[0], 2, frames), cameras[1]) == []


def test_the_other_camera_is_clicked_on_too(cameras):
    clicks = clicks_of(cameras, cameras[1], tracking=False)
    assert len(clicks) >= 5
    assert {click.on for click in clicks} == {On.IMAGE}
    assert {object_at(cameras[1], click) for click in clicks} != {0}


def test_cues_are_in_order_of_time(cameras):
    at = [cue.at for cue in demo_script(cameras)]
    assert at == sorted(at)


def test_a_camera_alone_has_no_name(cameras):
    only = DemoCamera("", cameras[0].truth, cameras[0].times)
    assert {cue.camera for cue in demo_script([only])} == {""}


def test_too_few_objects_are_refused():
    labels = np.kron(np.array([[1, 2]], np.uint8), np.ones((20, 20), np.uint8))
    objects = {1: TrueObject("red", "cube"), 2: TrueObject("blue", "ball")}
    with pytest.raises(ReplayError, match="three objects"):
        demo_script([DemoCamera("", Truth({0: labels}, objects), ImageTimes((0.0,), (0,)))])
