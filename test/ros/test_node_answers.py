"""The node by its topics: one process for this file, asked for coloured patches."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import Point
from node_under_test import running_node
from sam3_ros.msg import Box, Prompt, Prompts
from scenes import colour_scene, iou, patch_mask
from sensor_msgs.msg import Image, RegionOfInterest

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.answers.segments import mask_of

HEIGHT, WIDTH = 96, 128
RED, BLUE, GREEN = (10, 10, 40, 40), (80, 16, 116, 60), (12, 56, 44, 88)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE, "green": GREEN})
GOOD = 0.9


def truth(corners: tuple[int, int, int, int]) -> np.ndarray:
    return patch_mask(HEIGHT, WIDTH, corners)


def pixels(image: Image, dtype: type = np.uint8) -> np.ndarray:
    flat = np.frombuffer(image.data, dtype)
    return flat.reshape(image.height, image.width, *([3] if image.encoding == "bgr8" else []))


@pytest.fixture(scope="module")
def client_of_one_node(tmp_path_factory, sam3_bundle_path):
    folder = tmp_path_factory.mktemp("node")
    with running_node(folder, bundle=sam3_bundle_path) as (_, client):
        yield client.connected()


@pytest.fixture
def client(client_of_one_node):
    client_of_one_node.prompt("set", Prompts())
    yield client_of_one_node
    client_of_one_node.set_parameters(
        mask_encoding="mono8", click_seconds=0.001, score_threshold=0.0
    )


def test_every_topic_answers_with_the_header_of_the_image(client):
    client.ask("red; blue")
    answer = client.answer(SCENE, "mask", "scores", "segments", "overlay")
    headers = [message.header for message in answer.values()]
    assert headers == [headers[0]] * 4
    assert headers[0].frame_id.startswith("camera_")
    assert headers[0].stamp.nanosec == 123_456_789

    mask = pixels(answer["mask"])
    assert answer["mask"].encoding == "mono8"
    assert iou(mask == 1, truth(RED)) > GOOD
    assert iou(mask == 2, truth(BLUE)) > GOOD
    assert set(np.unique(mask)) == {0, 1, 2}

    scores = answer["scores"].segments
    assert {(s.prompt_id, s.label, s.label_value) for s in scores} == {
        ("red", "red", 1),
        ("blue", "blue", 2),
    }
    assert [s.id for s in scores] == [1, 2]
    assert [s.score for s in scores] == sorted((s.score for s in scores), reverse=True)
    red = next(s for s in scores if s.prompt_id == "red").box
    assert (red.x_min, red.y_min, red.x_max, red.y_max) == pytest.approx(RED, abs=4)

    overlay = pixels(answer["overlay"])
    assert answer["overlay"].encoding == "bgr8"
    assert overlay.shape == SCENE.shape
    np.testing.assert_array_equal(overlay[-1, 64], SCENE[-1, 64][::-1])
    assert (overlay[20:30, 20:30] != SCENE[20:30, 20:30, ::-1]).any()


def test_the_label_image_is_the_segments(client):
    client.ask("red; green; object")
    answer = client.answer(SCENE, "mask", "segments")
    found = answer["segments"]
    size = ImageSize(found.height, found.width)
    labels = np.zeros(size, np.uint8)
    for segment in reversed(found.segments):  # the best is on top
        assert set(np.unique(np.frombuffer(segment.mask.data, np.uint8))) <= {0, 255}
        assert segment.mask.header == found.header
        labels[mask_of(segment, size)] = segment.score.label_value
    assert len(found.segments) >= 4
    np.testing.assert_array_equal(labels, pixels(answer["mask"]))


def test_instances_in_16_bits(client):
    assert client.set_parameters(mask_encoding="mono16").successful
    client.ask("object")
    answer = client.answer(SCENE, "mask", "scores", "segments")
    assert answer["mask"].encoding == "mono16"
    assert answer["mask"].step == WIDTH * 2
    ids = pixels(answer["mask"], np.uint16)
    assert set(np.unique(ids)) == {0, *(s.id for s in answer["scores"].segments)}
    for segment in answer["segments"].segments:
        part = mask_of(segment, ImageSize(HEIGHT, WIDTH))
        assert (ids[part] == segment.score.id).any()


def test_without_prompts_the_answer_is_empty(client):
    answer = client.answer(SCENE, "mask", "scores", "segments", "overlay")
    assert not pixels(answer["mask"]).any()
    assert not answer["scores"].segments
    assert (answer["segments"].height, answer["segments"].width) == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(pixels(answer["overlay"]), SCENE[:, :, ::-1])


def test_text_replaces_text_and_a_label_value_lives_as_long_as_its_prompt(client):
    statuses = client.ask(" red ;; blue; red")
    assert [(s.prompt_id, s.accepted, s.reason) for s in statuses] == [
        ("red", True, ""),
        ("blue", True, ""),
    ]
    assert set(np.unique(pixels(client.answer(SCENE, "mask")["mask"]))) == {0, 1, 2}
    client.ask("green; blue")
    mask = pixels(client.answer(SCENE, "mask")["mask"])
    assert iou(mask == 2, truth(BLUE)) > GOOD
    assert iou(mask == 1, truth(GREEN)) > GOOD
    assert [(s.prompt_id, s.accepted) for s in client.ask("")] == [("", True)]
    assert not pixels(client.answer(SCENE, "mask")["mask"]).any()


def test_a_click_is_answered_on_the_image_seen_last_and_lasts_one(client):
    client.ask("blue")
    seen = client.answer(SCENE, "segments")["segments"].header
    begin = len(client.outputs["segments"])
    assert [(s.prompt_id, s.accepted) for s in client.click(25.5, 25.5)] == [("point", True)]
    answer = client.answer_to("point", begin)
    assert answer.header == seen
    by_id = {s.score.prompt_id: s for s in answer.segments}
    assert set(by_id) == {"blue", "point"}
    assert iou(mask_of(by_id["point"], ImageSize(HEIGHT, WIDTH)), truth(RED)) > GOOD
    later = client.answer(SCENE, "segments")["segments"]
    assert {s.score.prompt_id for s in later.segments} == {"blue"}


def test_a_click_without_a_header(client):
    """rqt_image_view sends such clicks: on the newest image, replacing the previous click."""
    client.set_parameters(click_seconds=0.0)
    client.click(25.0, 25.0)
    client.answer(SCENE, "segments")
    begin = len(client.outputs["segments"])
    (status,) = client.prompt("click", Point(x=98.0, y=38.0))
    assert (status.prompt_id, status.accepted) == ("point", True)
    assert status.header.stamp.sec > 0
    (segment,) = client.answer_to("point", begin).segments
    size = ImageSize(HEIGHT, WIDTH)
    assert iou(mask_of(segment, size), truth(BLUE)) > GOOD


def test_a_click_may_be_kept(client):
    client.set_parameters(click_seconds=0.0)
    client.click(25.5, 25.5)
    for _ in range(3):
        assert iou(pixels(client.answer(SCENE, "mask")["mask"]) > 0, truth(RED)) > GOOD
    client.click(100.0, 40.0)
    assert iou(pixels(client.answer(SCENE, "mask")["mask"]) > 0, truth(BLUE)) > GOOD


def test_a_box(client):
    client.answer(SCENE, "segments")
    begin = len(client.outputs["segments"])
    roi = RegionOfInterest(x_offset=76, y_offset=12, width=44, height=52)
    assert [(s.prompt_id, s.accepted) for s in client.prompt("box", roi)] == [("box", True)]
    (segment,) = client.answer_to("box", begin).segments
    assert iou(mask_of(segment, ImageSize(HEIGHT, WIDTH)), truth(BLUE)) > GOOD


def test_a_status_has_the_id_that_the_answers_have(client):
    text = "red " + "cube " * 30 + "ball"
    (status,) = client.ask(text)
    assert (status.prompt_id, status.accepted) == (text, True)
    answer = client.answer(SCENE, "scores")
    assert {s.prompt_id for s in answer["scores"].segments} == {status.prompt_id}


def test_a_prompt_that_another_topic_replaces_is_reported(client):
    client.ask("box; red")
    statuses = client.prompt("box", RegionOfInterest(x_offset=76, y_offset=12, width=44, height=52))
    assert [(s.prompt_id, s.accepted) for s in statuses] == [("box", False), ("box", True)]
    assert "'box' of ~/prompt/text gave way" in statuses[0].reason
    client.answer(SCENE, "scores")
    client.diagnosed(lambda values, _: values["prompts"] == "red")


def test_a_set_of_prompts_replaces_everything(client):
    client.ask("red")
    prompts = Prompts(
        prompts=[
            Prompt(id="sea", label="water", text="blue"),
            Prompt(
                id="leaf",
                positive_points=[Point(x=28.0, y=72.0)],
                negative_points=[Point(x=100.0, y=40.0)],
            ),
            Prompt(id="like this", negative_boxes=[box(BLUE)], boxes=[box(RED)]),
        ]
    )
    statuses = client.prompt("set", prompts)
    assert [(s.prompt_id, s.accepted) for s in statuses] == [
        ("sea", True),
        ("leaf", True),
        ("like this", True),
    ]
    answer = client.answer(SCENE, "mask", "segments")
    size = ImageSize(HEIGHT, WIDTH)
    by_id = {s.score.prompt_id: s for s in answer["segments"].segments}
    assert set(by_id) == {"sea", "leaf", "like this"}
    assert by_id["sea"].score.label == "water"
    assert iou(mask_of(by_id["sea"], size), truth(BLUE)) > GOOD
    assert iou(mask_of(by_id["leaf"], size), truth(GREEN)) > GOOD
    assert iou(mask_of(by_id["like this"], size), truth(RED)) > GOOD
    assert [s.prompt_id for s in client.prompt("set", Prompts())] == [""]
    assert not pixels(client.answer(SCENE, "mask")["mask"]).any()


def box(corners: tuple[int, int, int, int]) -> Box:
    x_min, y_min, x_max, y_max = map(float, corners)
    return Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def test_a_refused_text_leaves_what_was_asked(client):
    client.ask("red")
    (status,) = client.ask("x" * 10_000)
    assert not status.accepted
    assert "at most 1000 characters, got 10000" in status.reason
    assert status.prompt_id == "x" * 59 + "…"
    (status,) = client.ask("; ".join(f"thing {n}" for n in range(255)))
    assert "at most 254 prompts" in status.reason
    assert iou(pixels(client.answer(SCENE, "mask")["mask"]) == 1, truth(RED)) > GOOD


def test_a_point_outside_the_image_is_refused(client):
    client.answer(SCENE, "mask")  # now the node knows the size
    (status,) = client.click(500.0, 20.0)
    assert (status.prompt_id, status.accepted) == ("point", False)
    assert "(500, 20) lies outside the image of 128x96 px" in status.reason
    (status,) = client.click(float("nan"), 20.0)
    assert "finite" in status.reason


def test_a_point_just_outside_the_image_is_moved_to_its_edge_and_the_status_says_so(client):
    client.answer(SCENE, "mask")
    (status,) = client.click(128.0, 20.0)  # a mouse at the right edge
    assert (status.accepted, list(status.warnings)) == (True, [])
    (status,) = client.click(-3.0, 20.0)
    assert status.accepted
    assert "(-3, 20) lies outside the image of 128x96 px" in status.warnings[0]
    assert "moved to (0, 20)" in status.warnings[0]


def test_a_prompt_that_a_later_image_is_too_small_for_is_dropped_alone(client):
    client.answer(colour_scene(200, 300, {}), "mask")
    client.set_parameters(click_seconds=0.0)
    client.ask("red")
    client.click(290.0, 190.0)
    before = len(client.statuses)
    answer = client.answer(SCENE, "mask", "scores")
    client.spin_until(lambda: len(client.statuses) > before, "the refusal")
    status = client.statuses[-1]
    assert (status.prompt_id, status.accepted) == ("point", False)
    assert "outside the image of 128x96 px" in status.reason
    assert status.header.frame_id.startswith("camera_")
    assert iou(pixels(answer["mask"]) > 0, truth(RED)) > GOOD


def test_prompts_that_make_no_sense_are_refused_by_name(client):
    for prompts, reason in (
        ([Prompt(id="a"), Prompt(id="b", text="red")], "needs a box or at least one point"),
        ([Prompt(id="a", text="red"), Prompt(id="a", text="blue")], "different ids, got 'a'"),
        ([Prompt(id="a", text="red", boxes=[Box()])], "x_max > x_min"),
    ):
        (status,) = client.prompt("set", Prompts(prompts=prompts))
        assert (status.prompt_id, status.accepted) == ("a", False)
        assert reason in status.reason
    (status,) = client.prompt("box", RegionOfInterest(x_offset=5, y_offset=5))
    assert not status.accepted


def encoded(encoding: str) -> Image:
    """Return the scene in another encoding, each row padded by 6 bytes."""
    if encoding == "mono16":
        grey = SCENE[:, :, 0].astype(">u2") * 257
        rows = [row.astype(">u2").tobytes() for row in grey]
    elif encoding == "bgr8":
        rows = [row[:, ::-1].tobytes() for row in SCENE]
    else:
        assert encoding == "bayer_rggb8"
        mosaic = SCENE[:, :, 1].copy()
        mosaic[0::2, 0::2] = SCENE[0::2, 0::2, 0]
        mosaic[1::2, 1::2] = SCENE[1::2, 1::2, 2]
        rows = [row.tobytes() for row in mosaic]
    rows = [row + b"\xee" * 6 for row in rows]
    image = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=len(rows[0]))
    image.is_bigendian = int(encoding == "mono16")
    image.data = b"".join(rows)
    return image


@pytest.mark.parametrize("encoding", ["bgr8", "bayer_rggb8"])
def test_padded_rows_through_the_wire(client, encoding):
    client.ask("blue")
    answer = client.answer(encoded(encoding), "mask", "overlay")
    assert iou(pixels(answer["mask"]) > 0, truth(BLUE)) > GOOD


def test_big_endian_through_the_wire(client):
    overlay = pixels(client.answer(encoded("mono16"), "overlay")["overlay"])
    np.testing.assert_array_equal(overlay, np.repeat(SCENE[:, :, :1], 3, 2))


def test_a_broken_image_is_counted_and_the_next_one_answered(client):
    before = client.frames_settled()["dropped, undecodable"]
    client.listen("mask")
    broken = encoded("bgr8")
    broken.encoding = "32FC1"
    client.send(broken)
    client.diagnosed(lambda values, _: int(values["frames dropped, undecodable"]) > before)
    client.ask("red")
    assert pixels(client.answer(SCENE, "mask")["mask"]).any()


def test_bad_updates_are_refused_whole(client):
    result = client.set_parameters(click_seconds=7.0, mask_encoding="mono32")
    assert not result.successful
    assert result.reason == "parameter 'mask_encoding' is one of mono8, mono16; got 'mono32'"
    result = client.set_parameters(mask_encoding="mono16", bundle="other")
    assert "parameter 'bundle' may change while the node is unconfigured" in result.reason
    assert not client.set_parameters(score_threshold=1.5).successful
    assert not client.set_parameters(autostart=False).successful
    assert not client.set_parameters(prompts=["red", "x" * 2000]).successful
    client.ask("red")
    assert client.answer(SCENE, "mask")["mask"].encoding == "mono8"


def test_parameters_take_effect_at_once(client):
    assert client.set_parameters(prompts=["green", " "]).successful
    answer = client.answer(SCENE, "mask", "scores")
    assert iou(pixels(answer["mask"]) > 0, truth(GREEN)) > GOOD
    score = answer["scores"].segments[0].score
    assert score < 1
    assert client.set_parameters(score_threshold=min(1.0, score + 1e-3)).successful
    assert not client.answer(SCENE, "scores")["scores"].segments


def test_every_frame_is_answered_or_counted_and_the_newest_wins(client):
    client.ask("red; blue; green; object")
    client.answer(SCENE, "mask", "segments", "overlay", "scores")
    before = client.frames_settled()
    sent = [client.send(SCENE).stamp.sec for _ in range(100)]
    client.spin_until(
        lambda: any(m.header.stamp.sec == sent[-1] for m in client.outputs["mask"]),
        "the last frame",
    )
    after = client.frames_settled()
    stamps = [m.header.stamp.sec for m in client.outputs["mask"] if m.header.stamp.sec in sent]
    assert after["answered"] - before["answered"] == len(stamps)
    assert stamps == sorted(set(stamps))
    assert after["received"] - before["received"] <= 100
    assert after["dropped, inference failed"] == 0


def test_frames_without_a_listener_are_counted(client):
    client.ask("red")
    client.listen()
    before = client.frames_settled()

    def seen(values, _):
        client.send(SCENE)
        reason = "dropped, nobody listens"
        return int(values[f"frames {reason}"]) > before[reason]

    client.diagnosed(seen)


def test_diagnostics_say_what_runs(client, sam3_bundle_path):
    client.ask("red")
    client.answer(SCENE, "mask")
    values = client.diagnosed(lambda values, _: values["prompts"] == "red")
    assert values["state"] == "active"
    assert values["bundle"] == str(sam3_bundle_path)
    assert values["provider of decoder"] == "CPUExecutionProvider"
    assert values["image converter"] in ("own", "cv_bridge")
    assert 0 < float(values["latency median ms"]) <= float(values["latency p95 ms"])
