"""~/segment as its callers see it: a question about one image, and the answer to it alone."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camera_rig import CameraRig
from geometry_msgs.msg import Point
from node_client import NODE, NodeClient
from node_under_test import running_node
from sam3_ros.msg import Box, Prompt, Prompts
from sam3_ros.srv import Segment
from scenes import colour_scene, iou, patch_mask
from sensor_msgs.msg import Image
from small_pipeline import SmallPipeline, concept
from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.answers.segments import mask_of
from sam3_ros.ros.frames.queue import MOST_CALLS
from sam3_ros.ros.images.messages import image_message

HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE})
SERVICE = f"{NODE}/segment"
GOOD = 0.9


def image(stamp: int = 7, frame_id: str = "gripper") -> Image:
    header = Header(frame_id=frame_id)
    header.stamp.sec = stamp
    return image_message(SCENE, "rgb8", header)


def call(client: NodeClient, *prompts: Prompt, **more: Any) -> Segment.Response:
    return client.call(Segment, SERVICE, Segment.Request(prompts=prompts, **more))


def found(response: Segment.Response) -> dict[str, np.ndarray]:
    """Return the mask of each segment, by prompt id."""
    assert response.success, response.reason
    size = ImageSize(response.segments.height, response.segments.width)
    return {each.score.prompt_id: mask_of(each, size) for each in response.segments.segments}


def test_the_image_of_a_call_is_answered_with_its_header_and_masks(pipeline):
    blue = Prompt(boxes=[Box(x_min=78.0, y_min=14.0, x_max=118.0, y_max=62.0)], id="the box")
    response = call(pipeline.client, concept("red"), blue, image=image())
    assert response.segments.header == image().header
    masks = found(response)
    assert iou(masks["red"], patch_mask(HEIGHT, WIDTH, RED)) > GOOD
    assert iou(masks["the box"], patch_mask(HEIGHT, WIDTH, BLUE)) > GOOD
    values = {each.score.prompt_id: each.score.label_value for each in response.segments.segments}
    assert values == {"red": 1, "the box": 2}
    scores = [each.score.score for each in response.segments.segments]
    assert scores == sorted(scores, reverse=True)
    assert (response.reason, list(response.warnings)) == ("", [])


def test_without_an_image_the_newest_is_asked_and_encoded_once(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(11)
    pipeline.show(12)
    pipeline.stages()
    response = call(pipeline.client, concept("red"))
    assert response.segments.header == pipeline.camera.header(12)
    assert "red" in found(response)
    assert "image_trunk" not in pipeline.stages()


def test_a_frame_that_waits_is_newer_than_the_one_in_work(pipeline):
    pipeline.ask(concept("red"))
    with pipeline.held(21):
        pipeline.send(22)
        future = start(pipeline, Segment.Request(prompts=[concept("red")]))
        pipeline.wait_for(lambda: pipeline.report().calls_waiting, "the call")
        pipeline.send(23)  # does not replace the one that the call is about
    assert result(pipeline, future).segments.header == pipeline.camera.header(22)
    pipeline.answer(22)
    pipeline.answer(23)


def test_prompts_in_use_and_their_answers_stay_as_they_are(pipeline):
    (status,) = pipeline.ask(concept("red", "thing"))
    pipeline.show(31)
    statuses, answers = len(pipeline.client.statuses), len(pipeline.camera.scores)
    before = pipeline.report()
    assert found(call(pipeline.client, concept("blue", "thing"), image=image())).keys() == {"thing"}
    assert found(call(pipeline.client, concept("red", "other"))).keys() == {"other"}
    after = pipeline.report()
    assert status.accepted
    assert after.prompts == ("thing",)
    assert (len(pipeline.client.statuses), len(pipeline.camera.scores)) == (statuses, answers)
    assert after.cameras[""].frames.received == before.cameras[""].frames.received
    assert after.calls_answered == before.calls_answered + 2
    assert pipeline.show(32) == ["thing"]


def test_what_only_a_prompt_in_use_has_is_not_read(pipeline):
    prompt = Prompt(text="red", camera="nowhere", tracking=True, frames=3)
    assert found(call(pipeline.client, prompt, image=image())).keys() == {"red"}
    assert pipeline.report().prompts == ()


def test_what_is_to_be_known_of_a_prompt_is_told(pipeline):
    beside = Prompt(id="near", positive_points=[Point(x=WIDTH + 1.0, y=20.0)])
    response = call(pipeline.client, beside, image=image())
    assert response.success
    assert "moved" in response.warnings[0]


def test_nothing_found_is_a_success(pipeline):
    response = call(pipeline.client, concept("green"), image=image())
    assert (response.success, len(response.segments.segments)) == (True, 0)
    assert (response.segments.width, response.segments.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ([], "at least one prompt"),
        ([Prompt()], "prompt number 1 of 1"),
        ([Prompt(text=" ")], "blank"),
        ([Prompt(text="x" * 1001)], "1000"),
        ([concept("red"), concept("red")], "different ids"),
        ([concept("red"), Prompt(positive_points=[Point(x=math.nan)])], "prompt number 2 of 2"),
        ([Prompt(boxes=[Box(x_min=500.0, y_min=5.0, x_max=600.0, y_max=9.0)])], "128x96"),
        ([concept(f"red {number}") for number in range(255)], "254"),
        ([Prompt(text="red", positive_points=[Point(x=1.0)] * 300)], "256"),
    ],
)
def test_a_prompt_that_cannot_be_asked_refuses_the_call(pipeline, prompts, words):
    response = call(pipeline.client, *prompts, image=image())
    assert not response.success
    assert words in response.reason
    assert not response.segments.segments


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "32FC1"}, "32FC1"),
        ({"data": b""}, "bytes"),
        ({"width": 5000}, "5000"),
    ],
)
def test_an_image_that_cannot_be_read_refuses_the_call(pipeline, change, words):
    broken = image()
    for field, value in change.items():
        setattr(broken, field, value)
    response = call(pipeline.client, concept("red"), image=broken)
    assert not response.success
    assert words in response.reason
    assert "red" in found(call(pipeline.client, concept("red"), image=image()))


def test_an_image_of_another_size_leaves_the_camera_its_own(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(41)
    small = image_message(np.ascontiguousarray(SCENE[:20, :20]), "rgb8")
    assert call(pipeline.client, concept("red"), image=small).success
    assert pipeline.camera.click(100.0, 40.0).accepted  # outside the small one


def test_without_an_image_so_far_a_call_is_refused(pipeline):
    response = call(pipeline.client, concept("red"))
    assert not response.success
    assert "no image of the camera has come" in response.reason


def test_a_camera_that_does_not_exist_is_refused(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(51)
    response = call(pipeline.client, concept("red"), camera="left")
    assert not response.success
    assert "'left'" in response.reason


def test_the_last_image_of_a_silent_camera_comes_with_a_warning(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(61)
    pipeline.set(silence_warn_s=0.01)
    time.sleep(0.02)
    response = call(pipeline.client, concept("red"))
    assert "red" in found(response)
    assert "none has come for" in response.warnings[0]


def test_an_inactive_node_says_so(pipeline):
    pipeline.deactivate()
    response = call(pipeline.client, concept("red"), image=image())
    assert not response.success
    assert "not active" in response.reason


@pytest.mark.parametrize("in_work", [True, False])
def test_a_node_that_is_deactivated_answers_the_calls_that_wait(pipeline, in_work):
    with held_call(pipeline) as future:
        waiting = start(pipeline, Segment.Request(prompts=[concept("red")], image=image()))
        pipeline.wait_for(lambda: pipeline.report().calls_waiting, "the second call")
        pipeline.deactivate()
        if not in_work:
            assert "became inactive" in result(pipeline, waiting).reason
    response = result(pipeline, future)
    assert not response.success
    assert "became inactive" in response.reason


def test_callers_at_once_are_answered_one_after_another_and_block_nothing(pipeline):
    pipeline.ask(concept("red"))
    request = Segment.Request(prompts=[concept("red")], image=image())
    with held_call(pipeline) as first:
        futures = [start(pipeline, request) for _ in range(MOST_CALLS + 2)]
        refused = pipeline.wait_for(
            lambda: [f.result().reason for f in futures if f.done()][1:], "the refusals"
        )
        assert all("call again" in reason for reason in refused)
        status = pipeline.client.ask("blue")[0]  # the node's callbacks go on
        assert status.accepted
    answered = [result(pipeline, future).success for future in (first, *futures)]
    assert answered.count(True) == MOST_CALLS + 1


def test_a_call_that_fails_is_answered_and_the_next_one_too(pipeline):
    def fail(_: Any) -> Any:
        raise RuntimeError("the engine has gone")

    pipeline.change("image_trunk", fail)
    response = call(pipeline.client, concept("red"), image=image())
    assert "the engine has gone" in response.reason
    assert "call not answered" in pipeline.report().last_error
    pipeline.change("image_trunk", lambda outputs: outputs)
    assert "red" in found(call(pipeline.client, concept("red"), image=image()))


def test_a_node_without_a_model_says_so_and_a_configured_one_answers(tmp_path, sam3_bundle_path):
    parameters = {"bundle": sam3_bundle_path, "cameras": "[front, left]", "autostart": False}
    with running_node(tmp_path, **parameters) as (_, client):
        assert "not active" in call(client, concept("red"), image=image()).reason
        assert client.transition("configure")
        assert client.transition("activate")
        assert "red" in found(call(client, concept("red"), image=image()))
        left = CameraRig(client, "left")
        client.prompt("set", Prompts())
        left.show(71, SCENE)
        response = call(client, concept("red"), camera="left")
        assert response.segments.header == left.header(71)
        assert "red" in found(response)
        assert "no image of front" in call(client, concept("red"), camera="front").reason
        assert "front, left" in call(client, concept("red")).reason
        assert client.transition("deactivate")
        assert client.transition("cleanup")
        assert "not active" in call(client, concept("red"), image=image()).reason


def test_the_example_of_the_docs_prints_the_answer(pipeline):
    page = (Path(__file__).parents[2] / "docs" / "interface.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    pipeline.ask(concept("red"))
    pipeline.show(81)
    domain = str(pipeline.client.context.get_domain_id())
    run = subprocess.run(
        [sys.executable, "-c", example.replace("red cube", "red")],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ROS_DOMAIN_ID": domain},
    )
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"\[\('red', [01]\.\d+\)\]\n", run.stdout), run.stdout


def start(pipeline: SmallPipeline, request: Segment.Request) -> Any:
    return pipeline.client.start(Segment, SERVICE, request)


def result(pipeline: SmallPipeline, future: Any) -> Segment.Response:
    pipeline.wait_for(future.done, "the response")
    return future.result()


@contextmanager
def held_call(pipeline: SmallPipeline) -> Iterator[Any]:
    """Yield the future of a call that is in work until the block ends."""
    with pipeline.holding("image_trunk") as reached:
        future = start(pipeline, Segment.Request(prompts=[concept("red")], image=image()))
        pipeline.wait_for(reached.is_set, "the call in work")
        yield future
