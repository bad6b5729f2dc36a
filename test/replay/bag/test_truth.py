from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bags import HEIGHT, IMAGES, WIDTH, frame, stamp_ns, write_bag

from sam3_ros.core.geometry import Box
from sam3_ros.replay.bag.bag import BagError, open_bag
from sam3_ros.replay.bag.truth import TrueObject, Truth, read_truth


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> Truth:
    path: Path = write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=3)
    with open_bag(path) as bag:
        found = read_truth(bag, IMAGES)
    assert found is not None
    return found


def test_labels_and_objects_are_those_of_the_bag(truth):
    assert truth.objects[1] == TrueObject("red", "cube")
    assert str(truth.objects[3]) == "green ball"
    for number in range(3):
        np.testing.assert_array_equal(truth.labels[stamp_ns(number)], frame(number)[1])


def test_a_phrase_names_objects_and_their_pixels(truth):
    assert truth.named_by("the blocks") == {1, 2, 4}
    assert truth.named_by("green thing") == {3}
    assert truth.named_by("purple cone") == set()
    assert truth.named_by("banana") is None
    labels = frame(0)[1]
    np.testing.assert_array_equal(truth.mask(stamp_ns(0), {1, 3}), (labels == 1) | (labels == 3))
    assert not truth.mask(stamp_ns(0), set()).any()


def test_a_click_and_a_box_are_on_an_object(truth):
    first = stamp_ns(0)
    assert truth.number_at(first, 25.0, 25.0) == 1
    assert truth.number_at(first, 64.0, 2.0) == 0
    assert truth.number_at(first, float(WIDTH), 2.0) == 0
    assert truth.number_at(first, -1.0, float(HEIGHT)) == 0
    assert truth.number_in(first, Box(80, 50, 116, 90)) == 4
    assert truth.number_in(first, Box(60, 2, 66, 6)) == 0
    assert truth.bounds(first, 1) == Box(12, 10, 42, 40)


def test_a_bag_without_truth_has_none(tmp_path):
    with open_bag(write_bag(tmp_path / "bag", frames=1, truth=False)) as bag:
        assert read_truth(bag, IMAGES) is None


def test_objects_that_are_malformed_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("bags.objects_json", lambda: '{"1": {"colour": "red"}}')
    with open_bag(write_bag(tmp_path / "bag", frames=1)) as bag:  # noqa: SIM117
        with pytest.raises(BagError, match="/truth/objects"):
            read_truth(bag, IMAGES)
