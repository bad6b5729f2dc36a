"""What every output says of one answer, and which are worked for; one node for this file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from node_under_test import running_node
from sam3_ros.msg import Prompt, Prompts
from scenes import colour_scene
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.answers.segments import mask_of
from sam3_ros.ros.parameters.specs import OUTPUTS

SCENE = colour_scene(
    96, 128, {"red": (10, 10, 40, 40), "blue": (80, 16, 116, 60), "green": (12, 56, 44, 88)}
)
SIZE = ImageSize(96, 128)


def pixels(image: Image) -> np.ndarray:
    dtype = {"mono8": np.uint8, "mono16": np.uint16}[image.encoding]
    return np.frombuffer(image.data, dtype).reshape(image.height, image.width)


def decoded(image: CompressedImage) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def client_of_one_node(tmp_path_factory, sam3_bundle_path):
    folder = tmp_path_factory.mktemp("node")
    with running_node(folder, bundle=sam3_bundle_path) as (_, client):
        yield client.connected()


@pytest.fixture
def client(client_of_one_node):
    client_of_one_node.prompt("set", Prompts())
    yield client_of_one_node
    client_of_one_node.set_parameters(mask_encoding="mono8", outputs=list(OUTPUTS))


@pytest.mark.parametrize("encoding", ["mono8", "mono16"])
def test_mask_and_confidence_show_the_same_segment_at_every_pixel(client, encoding):
    client.set_parameters(mask_encoding=encoding)
    client.ask("red; green; object")  # the objects overlap the red and the green one
    answer = client.answer(SCENE, "mask", "confidence", "segments")
    segments = answer["segments"].segments
    parts = [mask_of(segment, SIZE) for segment in segments]
    assert (np.sum(parts, axis=0) > 1).any(), "nothing overlaps"

    mask, confidence = np.zeros(SIZE, np.uint16), np.zeros(SIZE, np.uint8)
    for part, segment in reversed(list(zip(parts, segments, strict=True))):  # the best on top
        score = segment.score
        mask[part] = score.label_value if encoding == "mono8" else score.id
        confidence[part] = round(score.score * 255)
    np.testing.assert_array_equal(pixels(answer["mask"]), mask)
    np.testing.assert_array_equal(pixels(answer["confidence"]), confidence)
    assert answer["confidence"].encoding == "mono8"
    assert answer["confidence"].header == answer["mask"].header == answer["segments"].header
    assert len({segment.score.score for segment in segments}) > 1


@pytest.mark.parametrize("encoding", ["mono8", "mono16"])
def test_the_compressed_mask_is_the_mask(client, encoding):
    client.set_parameters(mask_encoding=encoding)
    client.ask("red; green; object")
    answer = client.answer(SCENE, "mask", "mask/compressed")
    compressed = answer["mask/compressed"]
    assert compressed.header == answer["mask"].header
    assert compressed.format == f"{encoding}; png compressed "
    np.testing.assert_array_equal(decoded(compressed), pixels(answer["mask"]))
    assert decoded(compressed).any()


def test_the_compressed_overlay_is_nearly_the_overlay(client):
    client.ask("red")
    answer = client.answer(SCENE, "overlay", "overlay/compressed")
    compressed, overlay = answer["overlay/compressed"], answer["overlay"]
    assert compressed.header == overlay.header
    assert compressed.format == "bgr8; jpeg compressed bgr8"
    raw = np.frombuffer(overlay.data, np.uint8).reshape(*SIZE, 3)
    assert decoded(compressed).shape == raw.shape
    assert np.abs(decoded(compressed).astype(int) - raw).mean() < 4


def test_a_prompt_keeps_its_colour_in_the_overlay_while_others_come_and_go(client):
    def blue_patch() -> np.ndarray:
        overlay = client.answer(SCENE, "overlay")["overlay"]
        return np.frombuffer(overlay.data, np.uint8).reshape(*SIZE, 3)[40:50, 90:105]

    red, blue = Prompt(id="one", text="red"), Prompt(id="two", text="blue")
    client.prompt("set", Prompts(prompts=[red, blue]))
    before = blue_patch()
    client.prompt("set", Prompts(action=Prompts.REMOVE, prompts=[Prompt(id="one")]))
    np.testing.assert_array_equal(blue_patch(), before)
    client.prompt("set", Prompts(action=Prompts.PUT, prompts=[Prompt(id="three", text="green")]))
    np.testing.assert_array_equal(blue_patch(), before)
    assert (before != SCENE[40:50, 90:105, ::-1]).any()


def test_a_compressed_topic_alone_is_enough_to_work_for(client):
    client.ask("red")
    assert decoded(client.answer(SCENE, "mask/compressed")["mask/compressed"]).any()


def test_without_prompts_confidence_is_nothing(client):
    assert not pixels(client.answer(SCENE, "confidence")["confidence"]).any()


def test_an_output_that_is_taken_out_is_not_worked_for(client):
    client.ask("red")
    client.answer(SCENE, "mask", "scores")
    assert client.set_parameters(outputs=["scores"]).successful
    client.answer(SCENE, "scores")  # one that was in work before
    client.listen("mask", "scores")
    stamp = client.answer(SCENE, "scores")["scores"].header.stamp

    client.set_parameters(outputs=["mask", "scores"])
    again = client.answer(SCENE, "mask", "scores")["mask"].header.stamp
    assert (again.sec, again.nanosec) > (stamp.sec, stamp.nanosec)
    assert stamp not in [mask.header.stamp for mask in client.outputs["mask"]]
    client.listen("mask")
    assert client.set_parameters(outputs=[""]).successful  # an empty list has no type in ROS
    counts = client.frames_settled()

    def seen(values, _):
        client.send(SCENE)
        reason = "dropped, nobody listens"
        return int(values[f"frames {reason}"]) > counts[reason]

    client.diagnosed(seen)


def test_the_timing_of_an_answer(client):
    client.ask("red")
    answer = client.answer(SCENE, "mask", "timing")
    timing = answer["timing"]
    assert timing.header == answer["mask"].header
    stages = {each.stage: each.milliseconds for each in timing.stages}
    assert {"convert", "preprocess", "decoder", "postprocess", "messages", "publish"} <= set(stages)
    assert all(milliseconds >= 0 for milliseconds in stages.values())
    assert len(stages) == len(timing.stages)
    assert timing.waited_milliseconds >= 0
    assert 0 < sum(stages.values()) + timing.waited_milliseconds <= timing.total_milliseconds + 1e-2
