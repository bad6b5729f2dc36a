"""A sticky click follows its object from image to image, and says when it has lost it."""

from __future__ import annotations

import pytest
from camera_rig import CameraRig, mask_of_label
from geometry_msgs.msg import Point
from node_client import NODE
from node_under_test import running_node
from sam3_ros.msg import ActivePrompts, Prompt, Prompts
from scenes import colour_scene, iou, patch_mask

from sam3_ros.ros.qos import LATCHED

HEIGHT, WIDTH = 96, 128
GOOD = 0.75
EMPTY = colour_scene(HEIGHT, WIDTH, {})


def place(number: int) -> tuple[int, int, int, int]:
    """Return the patch's corners in image `number`; it soon leaves the clicked point."""
    return 6, 8 + 3 * number, 46, 40 + 3 * number


def scene(number: int):
    return colour_scene(HEIGHT, WIDTH, {"red": place(number)})


@pytest.fixture(scope="module")
def rig_of_one_node(tmp_path_factory, sam3_bundle_path):
    folder = tmp_path_factory.mktemp("sticky")
    with running_node(folder, bundle=sam3_bundle_path) as (_, client):
        yield CameraRig(client)


@pytest.fixture
def rig(rig_of_one_node):
    rig_of_one_node.client.prompt("set", Prompts())
    yield rig_of_one_node
    rig_of_one_node.client.set_parameters(tracking=False, tracking_least_score=0.5)


def test_an_object_is_followed_until_it_is_gone(rig):
    assert rig.client.set_parameters(tracking=True).successful
    rig.show(101, scene(0))
    assert rig.click(20.5, 10.5, stamp=101).accepted
    assert len(rig.answers(rig.scores, 101, 2)[1].segments) == 1
    for number in range(1, 3):  # this model never looks outside of the last mask's box
        rig.show(101 + number, scene(number))
        mask = rig.answers(rig.masks, 101 + number, 1)[0]
        there = patch_mask(HEIGHT, WIDTH, place(number))
        assert iou(mask_of_label(mask), there) > GOOD, number
    before = len(rig.client.statuses)
    rig.show(104, EMPTY)
    rig.client.spin_until(lambda: len(rig.client.statuses) > before, "word of the loss")
    (status,) = rig.client.statuses[before:]
    assert (status.prompt_id, status.accepted) == ("point", False)
    assert "no longer followed" in status.reason
    assert status.header == rig.header(104)
    rig.show(105, scene(0))
    assert not rig.answers(rig.scores, 105, 1)[0].segments


def test_an_object_whose_score_falls_is_dropped(rig):
    rig.show(201, scene(0))
    prompts = Prompts(
        prompts=[
            Prompt(id="it", tracking=True, positive_points=[Point(x=20.0, y=20.0)]),
            Prompt(text="red"),
        ]
    )
    assert all(status.accepted for status in rig.client.prompt("set", prompts))
    rig.show(202, scene(1))
    found = rig.answers(rig.scores, 202, 1)[0].segments
    assert {each.prompt_id for each in found} == {"it", "red"}
    assert rig.client.set_parameters(tracking_least_score=1.0).successful
    before = len(rig.client.statuses)
    rig.show(203, scene(1))
    rig.client.spin_until(lambda: len(rig.client.statuses) > before, "word of the loss")
    status = rig.client.statuses[before]
    assert (status.prompt_id, status.accepted) == ("it", False)
    assert "score fell to" in status.reason
    assert "1.00" in status.reason
    found = rig.answers(rig.scores, 203, 1)[0].segments
    assert {each.prompt_id for each in found} == {"red"}


def test_a_click_on_nothing_is_not_followed(rig):
    assert rig.client.set_parameters(tracking=True).successful
    rig.show(301, scene(0))
    before = len(rig.client.statuses)
    assert rig.click(110.0, 80.0, stamp=301).accepted
    rig.client.spin_until(lambda: len(rig.client.statuses) > before + 1, "word of the loss")
    assert not rig.client.statuses[-1].accepted
    assert "no longer followed" in rig.client.statuses[-1].reason


def test_what_is_cut_off_is_dropped_with_the_reason(rig):
    lists = rig.client.collect(ActivePrompts, f"{NODE}/active_prompts", LATCHED)
    assert rig.client.set_parameters(tracking=True).successful

    def followed(stamp: int) -> int:
        rig.show(stamp, scene(0))
        assert rig.click(20.5, 10.5, stamp=stamp).accepted
        assert len(rig.answers(rig.scores, stamp, 2)[1].segments) == 1
        rig.client.spin_until(lambda: lists and lists[-1].prompts, "the list")
        return len(rig.client.statuses)

    def dropped(begin: int, why: str, stamp: int) -> None:
        assert not rig.answers(rig.scores, stamp, 1)[0].segments
        rig.client.spin_until(lambda: rig.client.statuses[begin:], "word of it")
        (status,) = rig.client.statuses[begin:]
        assert (status.prompt_id, status.accepted) == ("point", False)
        assert status.reason == f"no longer followed: {why} in between: click again"
        assert status.header == rig.header(stamp)
        rig.client.spin_until(lambda: not lists[-1].prompts, "the empty list")

    before = followed(401)
    assert rig.client.transition("deactivate")
    assert rig.client.transition("activate")
    rig.show(402, scene(0))
    dropped(before, "the node was inactive", 402)
    before = followed(403)
    rig.show(50, scene(0))
    dropped(before, "the clock jumped back", 50)


def test_a_concept_cannot_be_sticky(rig):
    (status,) = rig.client.prompt("set", Prompts(prompts=[Prompt(text="red", tracking=True)]))
    assert not status.accepted
    assert "expected points or a box" in status.reason
