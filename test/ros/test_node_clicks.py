"""Clicks are answered at once, on a frame that the node has seen already."""

from __future__ import annotations

import pytest
from camera_rig import IMAGE_STAGES, CameraRig, mask_of_label, stages_of
from node_under_test import running_node
from sam3_ros.msg import Prompts
from scenes import colour_scene, iou, patch_mask

HEIGHT, WIDTH = 96, 128
GOOD = 0.9
BLUE = (80, 16, 116, 60)


def red(number: int) -> tuple[int, int, int, int]:
    """Return the corners of the red patch in image `number`."""
    return 4, 4 + 20 * number, 24, 20 + 20 * number


def scene(number: int):
    return colour_scene(HEIGHT, WIDTH, {"red": red(number), "blue": BLUE})


@pytest.fixture(scope="module")
def rig_of_one_node(tmp_path_factory, sam3_bundle_path):
    folder = tmp_path_factory.mktemp("clicks")
    with running_node(folder, bundle=sam3_bundle_path, frame_memory=4) as (_, client):
        yield CameraRig(client)


@pytest.fixture
def rig(rig_of_one_node):
    """Yield the rig without prompts; its clock runs on between tests, so no stamp comes twice."""
    rig_of_one_node.client.prompt("set", Prompts())
    yield rig_of_one_node
    rig_of_one_node.client.set_parameters(
        frame_memory=4, frame_memory_mb=1024, click_seconds=0.001, max_rate=0.0
    )


def test_a_click_on_an_earlier_frame_is_answered_on_it_without_another_image(rig):
    rig.client.ask("blue")
    for number in range(4):
        stages = stages_of(rig.show(100 + number, scene(number)))
        assert stages >= IMAGE_STAGES
    status = rig.click(14.0, 32.0, stamp=101)  # grey in the newest
    assert (status.prompt_id, status.accepted) == ("point", True)
    assert status.header == rig.header(101)

    timing = rig.answers(rig.timings, 101, 2)[1]
    assert "decoder" not in stages_of(timing)
    assert not stages_of(timing) & IMAGE_STAGES
    assert "mask_decoder" in stages_of(timing)
    mask, scores = rig.answers(rig.masks, 101, 2)[1], rig.answers(rig.scores, 101, 2)[1]
    assert mask.header == scores.header == rig.header(101)
    assert iou(mask_of_label(mask, 1), patch_mask(HEIGHT, WIDTH, BLUE)) > GOOD
    assert iou(mask_of_label(mask, 2), patch_mask(HEIGHT, WIDTH, red(1))) > GOOD
    assert {each.prompt_id for each in scores.segments} == {"blue", "point"}
    assert rig.masks[-1].header == rig.header(101)

    rig.show(104, scene(0))  # the click's time is over
    assert [each.prompt_id for each in rig.answers(rig.scores, 104, 1)[0].segments] == ["blue"]


def test_a_click_without_a_stamp_is_answered_on_the_newest_frame(rig):
    for number in range(2):
        rig.show(200 + number, scene(number))
    assert rig.click(14.0, 32.0).accepted
    (_, mask), (_, timing) = (rig.answers(each, 201, 2)[:2] for each in (rig.masks, rig.timings))
    assert iou(mask_of_label(mask), patch_mask(HEIGHT, WIDTH, red(1))) > GOOD
    # Nothing was asked of the image before, so that only now it is encoded: once.
    assert rig.click(100.0, 40.0).accepted
    again = rig.answers(rig.timings, 201, 3)[2]
    assert "preprocess" in stages_of(timing)
    assert not stages_of(again) & {*IMAGE_STAGES, "tracker_neck"}
    third = rig.answers(rig.masks, 201, 3)[2]
    assert iou(mask_of_label(third), patch_mask(HEIGHT, WIDTH, BLUE)) > GOOD


def test_a_click_that_lasts_goes_on_with_the_next_frames(rig):
    rig.client.set_parameters(click_seconds=2.0)
    for number in range(2):
        rig.show(300 + number, scene(number))
    assert rig.click(14.0, 12.0, stamp=300).accepted
    assert iou(mask_of_label(rig.answers(rig.masks, 300, 2)[1]), patch_mask(HEIGHT, WIDTH, red(0)))
    for stamp, count in ((302, 1), (303, 0)):
        rig.show(stamp, scene(0))
        assert len(rig.answers(rig.scores, stamp, 1)[0].segments) == count


def test_a_click_on_a_frame_that_is_no_longer_kept_or_never_came_is_refused(rig):
    for number in range(6):
        rig.show(400 + number, scene(0))
    status = rig.click(14.0, 12.0, stamp=401)
    assert not status.accepted
    assert "the image of 401.000000000 s is too old, the oldest one kept is of 402" in status.reason
    assert "raise the parameters frame_memory" in status.reason
    assert rig.click(14.0, 12.0, stamp=402).accepted
    status = rig.click(14.0, 12.0, stamp=404 + 1000)
    assert not status.accepted
    assert "an image of 1404.000000000 s was never seen" in status.reason
    assert "leave it 0 to mean the newest" in status.reason


def test_fewer_frames_are_kept_as_soon_as_the_parameter_says_so(rig):
    for number in range(3):
        rig.show(500 + number, scene(0))
    assert rig.client.set_parameters(frame_memory=2).successful
    assert "too old" in rig.click(14.0, 12.0, stamp=500).reason
    assert rig.click(14.0, 12.0, stamp=501).accepted
    rig.answers(rig.scores, 501, 2)
    assert rig.client.set_parameters(frame_memory_mb=0).successful
    assert "too old" in rig.click(14.0, 12.0, stamp=501).reason
    assert rig.click(14.0, 12.0, stamp=502).accepted


def test_frames_from_before_the_clock_jumped_back_are_forgotten(rig):
    rig.show(601, scene(0))
    rig.show(31, scene(0))
    assert "never seen" in rig.click(14.0, 12.0, stamp=601).reason
    assert rig.click(14.0, 12.0, stamp=31).accepted
    assert len(rig.answers(rig.scores, 31, 2)[1].segments) == 1


def test_a_cleared_prompt_is_not_published_again_with_a_click(rig):
    rig.client.ask("blue")
    rig.show(651, scene(0))
    rig.client.ask("")
    assert rig.click(14.0, 12.0, stamp=651).accepted
    (first, again) = rig.answers(rig.masks, 651, 2)
    assert iou(mask_of_label(first, 1), patch_mask(HEIGHT, WIDTH, BLUE)) > GOOD
    assert iou(mask_of_label(again, 1), patch_mask(HEIGHT, WIDTH, red(0))) > GOOD


def test_nothing_is_kept_from_before_the_node_was_inactive(rig):
    rig.show(671, scene(0))
    assert rig.client.transition("deactivate")
    assert rig.client.transition("activate")
    status = rig.click(14.0, 12.0, stamp=671)
    assert not status.accepted
    assert "no image was seen yet" in status.reason
    assert rig.click(14.0, 12.0).accepted  # waits for the next one
    rig.show(672, scene(0))
    assert len(rig.answers(rig.scores, 672, 1)[0].segments) == 1


def test_a_click_outside_the_image_is_refused_alone(rig):
    rig.show(701, scene(0))
    assert "outside the image" in rig.click(500.0, 12.0, stamp=701).reason
    assert rig.click(14.0, 12.0, stamp=701).accepted
    assert len(rig.answers(rig.scores, 701, 2)[1].segments) == 1


def test_a_click_is_checked_against_the_image_it_was_placed_on(rig):
    rig.show(721, colour_scene(200, 300, {"red": (200, 150, 280, 190)}))
    rig.show(722, scene(0))
    assert "outside the image of 128x96 px" in rig.click(240.0, 170.0).reason
    assert rig.click(240.0, 170.0, stamp=721).accepted
    assert len(rig.answers(rig.scores, 721, 2)[1].segments) == 1


def test_frames_beyond_the_rate_are_counted_and_the_others_answered(rig):
    assert rig.client.set_parameters(max_rate=0.05).successful
    before = rig.client.frames_settled()
    rig.show(801, scene(0))

    def limited(values, _) -> bool:
        rig.send(802, scene(0))
        reason = "dropped, rate limit"
        return int(values[f"frames {reason}"]) > before[reason]

    rig.client.diagnosed(limited)
    assert rig.client.set_parameters(max_rate=0.0).successful
    rig.show(803, scene(0))


def test_a_frame_that_nobody_listened_to_is_remembered_as_it_came(tmp_path, sam3_bundle_path):
    with running_node(tmp_path, bundle=sam3_bundle_path) as (_, client):
        client.connected()

        def unheard(values, _) -> bool:
            client.send(scene(0))
            return int(values["frames dropped, nobody listens"]) > 0

        client.diagnosed(unheard)
        client.frames_settled()
        client.click(14.0, 12.0)
        client.spin_until(lambda: not client.statuses[-1].accepted, "a refusal")
        assert "nobody listens to the answers: subscribe" in client.statuses[-1].reason

        client.listen("scores", "mask")
        sent = client.frames_sent

        def heard() -> bool:  # it may take a moment until the node knows its listener
            client.click(14.0, 12.0)
            return bool(client.outputs["scores"] and client.outputs["mask"])

        client.spin_until(heard, "the answer to a click on a frame that was not decoded")
        assert client.frames_sent == sent
        assert [each.prompt_id for each in client.outputs["scores"][-1].segments] == ["point"]
        assert client.frames_settled()["answered"] == 0
