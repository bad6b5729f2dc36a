"""Two cameras share one model: topics, prompts and turns of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from camera_rig import IMAGE_STAGES, CameraRig, mask_of_label, stages_of
from node_under_test import running_node
from sam3_ros.msg import Prompt, Prompts
from scenes import colour_scene, iou, patch_mask

HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
FRONT = colour_scene(HEIGHT, WIDTH, {"red": RED})
LEFT = colour_scene(HEIGHT, WIDTH, {"red": BLUE})
GOOD = 0.9
SLOW_NODE = (str(Path(__file__).parents[1] / "support" / "slow_session_node.py"),)


@pytest.fixture(scope="module")
def rigs(tmp_path_factory, sam3_bundle_path):
    folder = tmp_path_factory.mktemp("cameras")
    parameters = {"bundle": sam3_bundle_path, "cameras": "[front, left]"}
    with running_node(folder, program=SLOW_NODE, **parameters) as (_, client):
        yield CameraRig(client, "front"), CameraRig(client, "left")


def test_each_camera_is_answered_on_its_own_topics(rigs):
    front, left = rigs
    front.client.prompt("set", Prompts(prompts=[Prompt(text="red")]))
    front.show(101, FRONT)
    left.show(101, LEFT)
    for rig, place in ((front, RED), (left, BLUE)):
        mask = rig.answers(rig.masks, 101, 1)[0]
        assert mask.header == rig.header(101)
        assert iou(mask_of_label(mask), patch_mask(HEIGHT, WIDTH, place)) > GOOD


def test_a_prompt_of_one_camera_is_not_asked_of_the_other(rigs):
    front, left = rigs
    front.client.prompt("set", Prompts(prompts=[Prompt(text="red", camera="left")]))
    front.show(201, FRONT)
    left.show(201, LEFT)
    assert not front.answers(front.scores, 201, 1)[0].segments
    assert len(left.answers(left.scores, 201, 1)[0].segments) == 1


def test_a_click_finds_its_camera_and_is_answered_there_at_once(rigs):
    front, left = rigs
    front.client.prompt("set", Prompts())
    front.show(301, FRONT)
    left.show(301, LEFT)
    left.show(302, LEFT)
    assert left.click(100.0, 40.0, stamp=301).accepted  # on the camera's own topic
    mask = left.answers(left.masks, 301, 2)[1]
    assert iou(mask_of_label(mask), patch_mask(HEIGHT, WIDTH, BLUE)) > GOOD

    status = front.client.prompt("point", front.point(20.0, 20.0, stamp=301))[0]
    assert (status.accepted, status.camera) == (True, "front")  # by its frame_id
    mask = front.answers(front.masks, 301, 2)[1]
    assert iou(mask_of_label(mask), patch_mask(HEIGHT, WIDTH, RED)) > GOOD

    nobodys = front.point(20.0, 20.0, stamp=302)
    nobodys.header.frame_id = "map"
    status = front.client.prompt("point", nobodys)[0]
    assert (status.accepted, status.camera) == (True, "left")  # which alone has that stamp
    nobodys.header.stamp.sec = 301
    status = front.client.prompt("point", nobodys)[0]
    assert not status.accepted
    assert "~/front/prompt/point" in status.reason


def test_a_camera_that_floods_the_node_does_not_starve_the_other(rigs):
    front, left = rigs
    front.client.prompt("set", Prompts(prompts=[Prompt(text="red")]))
    before = len(front.masks)
    for stamp in range(401, 406):
        left.send(stamp, LEFT)

        def answered(stamp: int = stamp) -> bool:
            for _ in range(5):
                front.send(401 + len(front.masks), FRONT)
                front.client.executor.spin_once(timeout_sec=0.01)
            return any(mask.header.stamp.sec == stamp for mask in left.masks)

        left.client.spin_until(answered, f"the image {stamp} of the camera that sends few")
    # Some are answered while an image of the other is still on its way.
    assert 1 <= len(front.masks) - before <= 5 * 10
    assert stages_of(left.answers(left.timings, 405, 1)[0]) >= IMAGE_STAGES
