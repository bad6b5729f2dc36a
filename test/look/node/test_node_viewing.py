"""A real node as the page sees it, over DDS; one node for this file."""

from __future__ import annotations

import json
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from discovery import discovered
from looked_at_node import (
    BLUE,
    HEIGHT,
    LIVE,
    ON_BLUE,
    ON_RED,
    RED,
    SCENE,
    WIDTH,
    LookedAt,
    SteadyCamera,
    Watching,
    found,
    is_at,
    pixels,
    wait_for,
)
from node_client import NODE, PATIENCE, NodeClient
from node_under_test import THE_NODE, NodeProcess, running_node
from PIL import Image as PillowImage
from sam3_ros.msg import ActivePrompts, Prompts
from scenes import colour_scene
from sensor_msgs.msg import CompressedImage

from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.node.opening import running_nodes
from sam3_ros.look.viewing import (
    Marks,
    PictureLayer,
    PictureStamp,
    Verdict,
    View,
)
from sam3_ros.ros.qos import LATCHED

POLICY = Path(__file__).parents[3] / "config" / "sros2" / "look_policy.xml"
# A held picture has one stamp alone, whatever is said.
STAMP = PictureStamp(0, 0)


@pytest.fixture(scope="module")
def one_node(tmp_path_factory, sam3_bundle_path) -> Iterator[LookedAt]:
    folder = tmp_path_factory.mktemp("node")
    with (
        mock.patch.dict(os.environ),
        running_node(folder, bundle=sam3_bundle_path) as (process, client),
    ):
        client.connected()
        seen = LookedAt(process, client)
        yield seen
        seen.camera.stop()
        began = time.monotonic()
        seen.viewing.close()
        assert time.monotonic() - began < 2
        if seen.process is not process:
            assert seen.process.stop() == 0


@pytest.fixture
def node(one_node: LookedAt) -> LookedAt:
    one_node.clear()
    return one_node


def test_pictures_come_with_what_is_found_in_them(node: LookedAt) -> None:
    assert [each.title for each in wait_for(node.viewing.cameras, "cameras")] == ["camera"]
    with Watching(node.viewing) as watching:
        verdict = node.settled(node.viewing.ask_texts(("red", "zebra")))
        assert verdict.accepted and set(verdict.prompt_ids) == {"red", "zebra"}
        picture = watching.next(lambda each: found(each, "red"))
        listed = node.viewing.prompts("")
    assert [(p.id, p.kind, p.count) for p in listed] == [("red", "text", 1), ("zebra", "text", 0)]
    assert listed[0].score == picture.segments[0].score  # type: ignore[index]
    assert (picture.width, picture.height, picture.camera) == (WIDTH, HEIGHT, "")
    assert is_at(*found(picture, "red"), RED)
    assert picture.image.media_type == "image/jpeg" and picture.plain is None
    drawn = pixels(picture.image.data, "RGB").astype(int)
    assert np.abs(drawn[70:] - SCENE[70:]).mean() < 5
    assert np.abs(drawn[RED[1] : RED[3], RED[0] : RED[2]] - SCENE[20, 20]).mean() > 10


def test_masks_are_colours_on_nothing_and_the_plain_image_comes_along(node: LookedAt) -> None:
    node.settled(node.viewing.ask_texts(("red",)))
    with Watching(node.viewing, View("", PictureLayer.MASKS, with_plain=True)) as watching:
        picture = watching.next(lambda each: found(each, "red") and each.plain is not None)
        colour = node.prompt("red").colour  # type: ignore[union-attr]
    masks = pixels(picture.image.data, "RGBA")
    assert picture.image.media_type == "image/png" and masks.shape == (HEIGHT, WIDTH, 4)
    assert tuple(masks[25, 25]) == (*colour, 255)
    assert masks[38, 98, 3] == 0
    assert picture.plain is not None
    assert np.abs(pixels(picture.plain.data, "RGB").astype(int) - SCENE).mean() < 4


def test_another_text_changes_what_is_found(node: LookedAt) -> None:
    with Watching(node.viewing) as watching:
        node.settled(node.viewing.ask_texts(("red",)))
        watching.next(lambda each: found(each, "red"))
        node.settled(node.viewing.ask_texts(("blue",)))
        both = watching.next(lambda each: found(each, "blue"))
        assert found(both, "red")
        assert node.settled(node.viewing.remove("red", "")).accepted
        one = watching.next(lambda each: not found(each, "red"))
    assert is_at(*found(one, "blue"), BLUE)
    wait_for(lambda: [p.id for p in node.viewing.prompts("")] == ["blue"], "the list")
    refused = node.settled(node.viewing.remove("red", ""))
    assert not refused.accepted and "~/active_prompts lists them" in refused.reason


def test_a_click_is_answered_on_the_picture_that_was_clicked(node: LookedAt) -> None:
    with Watching(node.viewing) as watching:
        clicked = watching.next()
        begin = len(watching.pictures)
        verdict = node.settled(node.viewing.ask_marks("", clicked.stamp, Marks((ON_BLUE,))))
        assert verdict == Verdict(True, prompt_ids=("point",))
        first = wait_for(
            lambda: next((p for p in watching.pictures[begin:] if found(p, "point")), None), "it"
        )
        assert first.stamp == clicked.stamp
        assert is_at(*found(first, "point"), BLUE)
        followed = watching.next(lambda each: found(each, "point") and each.stamp > first.stamp)
        (listed,) = node.viewing.prompts("")
    assert [s.track_id is not None for s in followed.segments or ()] == [True]
    assert (listed.id, listed.kind, listed.count, listed.followed) == ("point", "click", 1, True)


def test_marks_are_added_to_a_prompt(node: LookedAt) -> None:
    with Watching(node.viewing) as watching:
        stamp = watching.next().stamp
        box = Marks(box=Box(*map(float, RED)))
        assert node.settled(node.viewing.ask_marks("", stamp, box, follow=False)).accepted
        assert is_at(*found(watching.next(lambda each: found(each, "box")), "box"), RED)
        more = node.viewing.ask_marks(
            "", watching.next().stamp, Marks(negative=(Point(2.0, 2.0),)), "box"
        )
        assert node.settled(more) == Verdict(True, prompt_ids=("box",))
        unknown = node.viewing.ask_marks("", stamp, Marks((ON_RED,)), "mug")
        assert "not asked any more" in node.settled(unknown).reason


def test_marks_move_with_the_object_that_is_followed(node: LookedAt) -> None:
    lists = node.client.collect(ActivePrompts, f"{NODE}/active_prompts", LATCHED)
    with Watching(node.viewing) as watching:
        click = node.viewing.ask_marks("", watching.next().stamp, Marks((ON_RED,)))
        assert node.settled(click).accepted
        watching.next(lambda each: found(each, "point"))
        left, top, right, bottom = RED
        there = (left + 2, top + 7, right + 2, bottom + 7)
        node.camera.show(colour_scene(HEIGHT, WIDTH, {"red": there, "blue": BLUE}))
        moved = watching.next(lambda each: any(is_at(box, there) for box in found(each, "point")))
        more = Marks(negative=(Point(100.0, 80.0),))
        assert node.settled(node.viewing.ask_marks("", moved.stamp, more, "point")).accepted
        watching.next(lambda each: found(each, "point"))
    node.camera.show(SCENE)

    def positive() -> list[tuple[float, float]]:
        prompts = [each.prompt for each in lists[-1].prompts] if lists else []
        return [
            (p.x, p.y) for each in prompts if each.negative_points for p in each.positive_points
        ]

    (point,) = node.client.spin_until(positive, "the moved point")
    assert np.abs(np.subtract(point, (ON_RED.x + 2, ON_RED.y + 7))).max() < 2


def test_a_refusal_has_the_reason_of_the_node(node: LookedAt) -> None:
    with Watching(node.viewing) as watching:
        stamp = watching.next().stamp
        old = node.settled(node.viewing.ask_marks("", PictureStamp(5, 1), Marks((ON_RED,))))
        assert not old.accepted
        assert "is too old" in old.reason and "press pause first" in old.reason
        outside = node.settled(node.viewing.ask_marks("", stamp, Marks((Point(900.0, 5.0),))))
        assert not outside.accepted and "lies outside the image" in outside.reason
    blank = node.settled(node.viewing.ask_texts(("  ",)))
    assert not blank.accepted and "must not be blank" in blank.reason
    high = node.settled(node.viewing.set_threshold(1.5))
    assert not high.accepted and "0 to 1" in high.reason
    assert not node.viewing.prompts("")


def test_a_prompt_is_renamed_followed_frozen_and_asked_again(node: LookedAt) -> None:
    with Watching(node.viewing) as watching:
        node.settled(node.viewing.ask_texts(("red",)))
        node.settled(node.viewing.ask_texts(("zebra",)))
        assert node.settled(node.viewing.rename("red", "", "<b>tomato</b>")).accepted
        watching.next(lambda each: [s.label for s in each.segments or ()] == ["<b>tomato</b>"])
        assert node.settled(node.viewing.follow("red", "", True)).accepted
        watching.next(lambda each: [s.track_id is not None for s in each.segments or ()] == [True])
        # One that is followed keeps its objects: its name changes here alone.
        renamed = node.settled(node.viewing.rename("red", "", "plum"))
        assert renamed.accepted and "old name" in renamed.warnings[0]
        watching.next(lambda each: [s.label for s in each.segments or ()] == ["plum"])

        assert node.settled(node.viewing.freeze("red", "", True)).accepted
        watching.next(lambda each: not found(each, "red"))
        wait_for(lambda: (p := node.prompt("red")) and p.frozen, "the frozen prompt")
        frozen = node.prompt("red")
        assert frozen is not None and (frozen.label, frozen.count) == ("plum", None)
        assert [p.id for p in node.viewing.prompts("")] == ["red", "zebra"]
        assert node.settled(node.viewing.freeze("red", "", False)).accepted
        watching.next(lambda each: found(each, "red"))
        assert [(p.id, p.frozen) for p in node.viewing.prompts("")] == [
            ("red", False),
            ("zebra", False),
        ]


def test_the_threshold_is_the_nodes_own(node: LookedAt) -> None:
    assert node.settled(node.viewing.set_threshold(0.25)).accepted
    assert node.viewing.health("").threshold == 0.25
    # Whoever sets it, the page shows it.
    assert node.client.set_parameters(score_threshold=0.0).successful
    wait_for(lambda: node.viewing.health("").threshold == 0, "the threshold of another")


def test_a_held_picture_is_asked_apart_from_the_live_ones(node: LookedAt) -> None:
    node.settled(node.viewing.ask_texts(("red",)))
    with Watching(node.viewing) as watching:
        watching.next(lambda each: found(each, "red"))
        holding = node.settled(node.viewing.hold(LIVE))
        held = holding.held
        assert holding.verdict.accepted and held is not None
        stamp = held.picture.stamp
        assert found(held, "red")
        # More images than the node keeps: it is asked with the image itself.
        for _ in range(10):
            watching.next()
        click = held.ask_marks("", stamp, Marks((ON_BLUE,)))
        assert node.settled(click) == Verdict(True, prompt_ids=("point",))
        assert is_at(*found(held, "point"), BLUE)
        assert held.picture.stamp == stamp and found(held, "red")
        assert [(p.id, p.count) for p in held.prompts()] == [("red", 1), ("point", 1)]
        outside = node.settled(held.ask_marks("", stamp, Marks((Point(900.0, 5.0),))))
        assert not outside.accepted and "lies outside the image" in outside.reason
        assert node.settled(held.rename("point", "", "it")).accepted
        assert node.settled(held.remove("red", "")).accepted
        masks = node.settled(held.show(View("", PictureLayer.MASKS, with_plain=True)))
        assert pixels(masks.image.data, "RGBA")[38, 98, 3] == 255 and masks.plain is not None
        files = node.settled(held.files())
    document = json.loads(files.json)["images"][0]
    assert [segment["label"] for segment in document["segments"]] == ["it"]
    assert set(np.unique(pixels(files.mask_png, "L"))) == {0, 1}
    assert pixels(files.overlay_png, "RGB").shape == SCENE.shape
    assert [p.id for p in node.viewing.prompts("")] == ["red"]
    held.release()
    assert "pause again" in node.settled(held.ask_texts(("blue",))).reason
    wait_for(lambda: not node.subscribers("segments"), "nobody at the segments")


def test_nothing_is_subscribed_to_that_nobody_watches(node: LookedAt) -> None:
    heavy = ("overlay/compressed", "mask/compressed", "scores", "segments")

    def counts() -> list[int]:
        images = node.client.node.count_subscribers("/image")
        return [*map(node.subscribers, heavy), images]

    wait_for(lambda: counts() == [0, 0, 0, 0, 1], "nobody at the pictures")
    first, second = Watching(node.viewing), Watching(node.viewing)
    with first, second:
        second.next()
        first.next()
        # One subscription for both viewers.
        wait_for(lambda: counts() == [1, 0, 1, 0, 1], "one at the overlay")
        with Watching(node.viewing, View("", PictureLayer.MASKS, with_plain=True)) as masks:
            masks.next()
            wait_for(lambda: counts() == [1, 1, 1, 0, 2], "one at the masks and the image")
        wait_for(lambda: counts() == [1, 0, 1, 0, 1], "nobody at the masks")
    wait_for(lambda: counts() == [0, 0, 0, 0, 1], "nobody at the pictures")
    number = len(first.pictures)
    # The node works for nobody then.
    counts_before = node.client.diagnosed(lambda *_: True)["frames dropped, nobody listens"]
    node.client.diagnosed(
        lambda values, _: int(values["frames dropped, nobody listens"]) > int(counts_before) + 2
    )
    assert len(first.pictures) == number


def test_the_policy_lists_exactly_what_the_page_uses(node: LookedAt) -> None:
    (profile,) = ET.parse(POLICY).getroot().iter("profile")
    name, graph = str(profile.get("node")), node.client.node
    kinds = {
        "subscribe": graph.get_subscriber_names_and_types_by_node,
        "publish": graph.get_publisher_names_and_types_by_node,
        "reply": graph.get_service_names_and_types_by_node,
        "request": graph.get_client_names_and_types_by_node,
    }
    allowed = {
        kind: {full_name(name, str(entry.text)) for entry in listed}
        for listed in profile
        for kind in [next(iter(listed.attrib))]
    }
    # While a picture is held, and with compressed images.
    allowed["subscribe"] -= {f"{NODE}/segments", "/image/compressed"}
    if find_spec("rclpy.type_description_service") is None:
        allowed["reply"].clear()

    def used() -> dict[str, set[str]]:
        return {kind: {each for each, _ in list_of(name, "/")} for kind, list_of in kinds.items()}

    everything = [View("", layer, with_plain=True) for layer in PictureLayer]
    with Watching(node.viewing, everything[0]), Watching(node.viewing, everything[1]):
        assert discovered(used, lambda found: found == allowed) == allowed


def full_name(node: str, name: str) -> str:
    return f"/{node}{name[1:]}" if name.startswith("~") else f"/{name.removeprefix('/')}"


def test_health_says_how_the_node_is(node: LookedAt) -> None:
    with Watching(node.viewing) as watching:
        watching.next()
        wait_for(lambda: node.viewing.health("").frames_per_second, "frames a second")
        health = node.viewing.health("")
    assert (health.state, health.source) == ("active", f"node {NODE}")
    assert (health.model, health.backend, health.precision) == ("colours", "cpu", "fp32")
    assert health.latency_median_ms is not None and health.latency_p95_ms is not None
    assert not [each for each in health.troubles if each.serious]
    assert "nobody watched" in dict(health.drops) and 0 not in dict(health.drops).values()
    assert node.client.transition("deactivate")
    wait_for(lambda: node.viewing.health("").state == "inactive", "the state")
    (trouble,) = node.viewing.health("").troubles
    assert trouble.what == "The node is inactive: it answers no images."
    assert "activate" in trouble.remedy
    assert node.client.transition("activate")
    wait_for(lambda: node.viewing.health("").state == "active", "the state")


def test_a_camera_that_falls_silent_is_told(node: LookedAt) -> None:
    node.camera.stop()
    trouble = wait_for(
        lambda: next((t for t in node.viewing.health("").troubles if t.serious), None), "a trouble"
    )
    assert trouble.what.startswith("No images for ")
    with Watching(node.viewing):
        holding = node.settled(node.viewing.hold(LIVE))
    assert holding.held is None and "no image has come for 3 s" in holding.verdict.reason
    node.camera = SteadyCamera(node.client)
    wait_for(lambda: not node.viewing.health("").troubles, "the end of the trouble")


def configure(client: NodeClient, **parameters: object) -> None:
    """Configure the node anew with these parameters."""
    for transition in ("deactivate", "cleanup"):
        assert client.transition(transition)
    assert client.set_parameters(**parameters).successful
    for transition in ("configure", "activate"):
        assert client.transition(transition)


def test_cameras_come_and_go(node: LookedAt) -> None:
    client, stream = node.client, BytesIO()
    configure(client, cameras=["front", "side"], image_transport="compressed")
    PillowImage.fromarray(SCENE).save(stream, format="JPEG", quality=95)
    jpeg = CompressedImage(format="rgb8; jpeg compressed bgr8", data=stream.getvalue())
    front = SteadyCamera(client, "/front/image/compressed", jpeg)
    try:
        # Whoever watches a camera that is not there yet sees it as soon as it is.
        with Watching(node.viewing, View("front")) as watching:
            node.settled(node.viewing.ask_texts(("red",), "front"))
            picture = watching.next(lambda each: found(each, "red"))
            assert picture.camera == "front"
            assert [each.name for each in node.viewing.cameras()] == ["front", "side"]
            assert [p.id for p in node.viewing.prompts("front")] == ["red"]
            assert not node.viewing.prompts("side")
            click = node.viewing.ask_marks("front", picture.stamp, Marks((ON_BLUE,)))
            assert node.settled(click).accepted
            watching.next(lambda each: found(each, "point"))
            holding = node.settled(node.viewing.hold(View("front")))
            assert holding.held is not None, holding.verdict
            assert holding.held.picture.camera == "front"
            boxed = holding.held.ask_marks("front", STAMP, Marks(box=Box(*map(float, BLUE))))
            assert node.settled(boxed).accepted
            assert is_at(*found(holding.held, "box"), BLUE)
            # A JPEG of the camera goes on as it is.
            with Watching(node.viewing, View("front", with_plain=True)) as both:
                plain = both.next(lambda each: each.plain is not None).plain
            assert plain is not None and plain.data == stream.getvalue()
            what = [t.what for t in node.viewing.health("side").troubles]
            assert what == [] or what[0].startswith("No images of camera side")
    finally:
        front.stop()
        configure(client, cameras=[""], image_transport="raw")
    wait_for(lambda: [c.name for c in node.viewing.cameras()] == [""], "the only camera")


def test_a_node_that_is_lost_comes_back_by_itself(
    node: LookedAt, tmp_path, sam3_bundle_path
) -> None:
    assert running_nodes(PATIENCE, node.domain) == (NODE,)
    node.settled(node.viewing.ask_texts(("red",)))
    with Watching(node.viewing) as watching:
        watching.next(lambda each: found(each, "red"))
        assert node.process.stop() == 0
        wait_for(lambda: node.viewing.health("").state == "gone", "the loss")
        assert "is gone" in node.viewing.health("").troubles[0].what
        assert node.viewing.cameras() and not node.viewing.prompts("")
        refused = node.settled(node.viewing.ask_texts(("red",)))
        assert not refused.accepted and "is not there" in refused.reason

        parameters = {"bundle": str(sam3_bundle_path), "diagnostics_period": "0.2"}
        node.process = NodeProcess(node.domain, tmp_path / "log", THE_NODE, parameters)
        watching.next()
        wait_for(lambda: node.viewing.health("").state == "active", "the node")
        assert node.settled(node.viewing.ask_texts(("blue",))).accepted
        watching.next(lambda each: found(each, "blue"))
        # Its diagnostics may still tell of the moment before the first image.
        wait_for(lambda: not node.viewing.health("").troubles, "a node without trouble")


def test_prompts_of_others_are_listed(node: LookedAt) -> None:
    node.client.prompt("set", Prompts())
    node.client.ask("red; blue")
    wait_for(lambda: [p.id for p in node.viewing.prompts("")] == ["red", "blue"], "the list")
