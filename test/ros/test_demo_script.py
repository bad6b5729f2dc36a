from __future__ import annotations

import numpy as np
import pytest
from bags import IMAGES, write_bag

from sam3_ros.core.geometry import inmost_point
from sam3_ros.ros.replay.bag import open_bag
from sam3_ros.ros.replay.demo_script import demo_script
from sam3_ros.ros.replay.prompt_cues import BoxCue, PointCue, TextCue
from sam3_ros.ros.replay.schedule import ImageTimes, read_image_times
from sam3_ros.ros.replay.settings import ReplayError
from sam3_ros.ros.replay.truth import TrueObject, Truth, read_truth


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> tuple[Truth, ImageTimes]:
    with open_bag(write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=60)) as bag:
        truth = read_truth(bag)
        assert truth is not None
        return truth, read_image_times(bag, IMAGES)


def test_texts_change_and_the_last_names_nothing(known):
    truth, times = known
    texts = [cue.text for cue in demo_script(truth, times) if isinstance(cue, TextCue)]
    assert len(texts) == 5
    assert len(set(texts)) == 4
    for text in texts[:-1]:
        assert all(truth.named_by(phrase) for phrase in text.split(";"))
    assert truth.named_by(texts[-1]) == set()


def test_clicks_and_boxes_lie_on_one_object_each_in_their_own_image(known):
    truth, times = known
    cues = demo_script(truth, times)
    clicks = [cue for cue in cues if isinstance(cue, PointCue)]
    boxes = [cue for cue in cues if isinstance(cue, BoxCue)]
    assert min(len(clicks), len(boxes)) >= 5
    clicked = {truth.number_at(times.stamp_near(c.at), c.x, c.y) for c in clicks}
    assert len(clicked) == 1
    assert clicked != {0}
    for box in boxes:
        number = truth.number_at(times.stamp_near(box.at), box.x + 5, box.y + box.height / 2)
        bounds = truth.bounds(times.stamp_near(box.at), number)
        assert bounds.as_tuple() == (box.x, box.y, box.x + box.width, box.y + box.height)
        assert number not in clicked


def test_cues_are_in_order_of_time(known):
    at = [cue.at for cue in demo_script(*known)]
    assert at == sorted(at)


def test_too_few_objects_are_refused():
    labels = np.kron(np.array([[1, 2]], np.uint8), np.ones((20, 20), np.uint8))
    objects = {1: TrueObject("red", "cube"), 2: TrueObject("blue", "ball")}
    with pytest.raises(ReplayError, match="three objects"):
        demo_script(Truth({0: labels}, objects), ImageTimes((0.0,), (0,)))


def test_the_inmost_point_is_inside_and_away_from_the_edge_of_the_image():
    ring = np.zeros((40, 40), bool)
    ring[5:35, 5:35] = True
    ring[12:28, 12:28] = False
    x, y = inmost_point(ring)
    assert ring[int(y), int(x)]
    assert inmost_point(np.ones((11, 21), bool))[1] == 5.5
