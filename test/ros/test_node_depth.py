"""What the node says in space, from real depth over DDS; one node of one camera for this file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_rig import FOCAL, MIDDLE_X, MIDDLE_Y, DepthRig, cloud_fields
from listed_topics import listed_topics, topics_in_the_graph
from node_client import NodeClient
from node_under_test import running_node
from sam3_ros.msg import FrameTiming, Objects3D, Prompt, Prompts
from scenes import colour_scene
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from sam3_ros.ros.answers.vision_msgs import find_detections_3d

pytestmark = pytest.mark.long
SIZE = HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE})
ONLY_BLUE = colour_scene(HEIGHT, WIDTH, {"blue": BLUE})
FAR, NEAR, NEARER = 2.0, 1.0, 0.8


def depth_of_scene() -> np.ndarray:
    """Return the scene's depth, float32 metres: red at NEAR, blue at NEARER, all else FAR."""
    depth = np.full(SIZE, FAR, np.float32)
    for (left, top, right, bottom), z in ((RED, NEAR), (BLUE, NEARER)):
        depth[top:bottom, left:right] = z
    return depth


METRES = depth_of_scene()
MILLIMETRES = np.round(METRES * 1000).astype(np.uint16)


def middle_of(patch: tuple[int, int, int, int], z: float) -> tuple[float, float, float]:
    """Return where the middle of a patch is in the camera's frame, m."""
    left, top, right, bottom = patch
    u, v = (left + right - 1) / 2, (top + bottom - 1) / 2
    return (u - MIDDLE_X) * z / FOCAL, (v - MIDDLE_Y) * z / FOCAL, z


@pytest.fixture(scope="module")
def node_and_rig(
    tmp_path_factory: pytest.TempPathFactory, sam3_bundle_path: Path
) -> Iterator[DepthRig]:
    folder = tmp_path_factory.mktemp("node")
    parameters = {"bundle": sam3_bundle_path, "depth": "true", "prompts": "['red', 'blue']"}
    with running_node(folder, **parameters) as (_, client):
        client.diagnosed(lambda values, _: values["state"] == "active")
        yield DepthRig(client)


@pytest.fixture
def rig(node_and_rig: DepthRig) -> Iterator[DepthRig]:
    node_and_rig.listen(objects=Objects3D)
    node_and_rig.subscribed()
    yield node_and_rig
    node_and_rig.client.set_parameters(
        depth_tolerance=0.02, depth_wait_s=0.5, depth_smoothing=False, depth_rectified=False
    )


def place(found: Any) -> tuple[float, float, float]:
    return found.centre.x, found.centre.y, found.centre.z


def by_label(objects: Objects3D) -> dict[str, Any]:
    return {each.score.label: each for each in objects.objects}


@pytest.mark.parametrize("depth", [METRES, MILLIMETRES], ids=["32FC1", "16UC1"])
def test_objects_are_where_they_are_in_metres_whatever_the_encoding(
    rig: DepthRig, depth: np.ndarray
) -> None:
    objects = rig.answer("objects", SCENE, depth)

    assert objects.header.frame_id == rig.frame_id
    found = by_label(objects)
    for label, patch, z in (("red", RED, NEAR), ("blue", BLUE, NEARER)):
        each = found[label]
        assert each.has_place and each.quality > 0
        assert place(each) == pytest.approx(middle_of(patch, z), abs=0.02)
        assert 0 < each.valid_pixels <= each.mask_pixels
        assert np.isfinite(each.covariance).all() and not each.is_smoothed
        assert each.score.score > 0.5 and each.score.label_value > 0


def test_an_object_without_depth_has_no_place_and_says_why(rig: DepthRig) -> None:
    holes = MILLIMETRES.copy()
    holes[RED[1] - 2 : RED[3] + 2, RED[0] - 2 : RED[2] + 2] = 0

    found = by_label(rig.answer("objects", SCENE, holes))["red"]

    assert not found.has_place and found.quality == 0
    assert math.isnan(found.centre.x) and math.isnan(found.box_size.x)
    assert "no depth" in found.reason


def test_clouds_are_read_by_their_fields(rig: DepthRig) -> None:
    clouds = dict.fromkeys(("points", "objects_cloud", "scene_cloud"), PointCloud2)
    rig.listen(objects=Objects3D, mask=Image, **clouds)
    rig.answer("scene_cloud", SCENE, MILLIMETRES)
    stamp = rig.stamp
    rig.client.spin_until(lambda: all(rig.of(each, stamp) for each in (*clouds, "mask")), "clouds")
    points, objects, scene = (rig.of(each, stamp) for each in clouds)
    mask = rig.of("mask", stamp)

    assert points.header == mask.header
    assert (points.height, points.width) == (mask.height, mask.width)
    assert (points.is_dense, objects.is_dense, scene.is_dense) == (False, True, True)
    organised = cloud_fields(points)
    np.testing.assert_allclose(organised["z"], METRES, atol=1e-3)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    np.testing.assert_allclose(organised["x"], (columns - MIDDLE_X) * METRES / FOCAL, atol=2e-3)
    np.testing.assert_allclose(organised["y"], (rows - MIDDLE_Y) * METRES / FOCAL, atol=2e-3)
    colours = np.ascontiguousarray(organised["rgb"]).view(np.uint32)
    red, green, blue = (int(level) for level in SCENE[20, 20])
    assert colours[20, 20] == red << 16 | green << 8 | blue

    values = {each.score.label_value for each in rig.of("objects", stamp).objects}
    of_objects = cloud_fields(objects)
    assert objects.height == 1 and objects.width > 100
    assert set(of_objects["label"].ravel().tolist()) == values
    assert not of_objects["track"].any()
    assert of_objects["z"].max() < FAR - 0.5
    assert cloud_fields(scene)["z"].min() > FAR - 0.5


def test_depth_that_comes_after_the_answer_is_waited_for(rig: DepthRig) -> None:
    rig.client.set_parameters(depth_wait_s=10.0)
    rig.answer("objects", SCENE, MILLIMETRES)
    rig.listen(objects=Objects3D, mask=Image)
    stamp = rig.next_stamp()

    def answered() -> bool:
        rig.send_image(stamp, SCENE)
        return bool(rig.soon(lambda: rig.of("mask", stamp)))

    rig.client.spin_until(answered, "a mask")
    assert rig.of("objects", stamp) is None
    rig.send_depth(stamp, MILLIMETRES)
    objects = rig.client.spin_until(lambda: rig.of("objects", stamp), "the objects")
    assert by_label(objects)["red"].has_place


def test_the_nearest_depth_within_the_tolerance_is_taken(rig: DepthRig) -> None:
    rig.client.set_parameters(depth_tolerance=0.05)
    rig.answer("objects", SCENE, MILLIMETRES)

    def answered() -> Any:
        stamp = rig.next_stamp()
        rig.send_depth(stamp - 0.04, MILLIMETRES // 2)
        rig.send_depth(stamp + 0.01, MILLIMETRES)
        rig.send_image(stamp, SCENE)
        return rig.soon(lambda: rig.of("objects", stamp))

    objects = rig.client.spin_until(answered, "the objects")
    assert by_label(objects)["red"].centre.z == pytest.approx(NEAR, abs=0.02)


def sent_without_depth(rig: DepthRig, stamp: float) -> None:
    rig.send_image(stamp, SCENE)


def sent_too_far_apart(rig: DepthRig, stamp: float) -> None:
    rig.send_depth(stamp - 0.05, MILLIMETRES)
    rig.send_depth(stamp + 0.05, MILLIMETRES)
    rig.send_image(stamp, SCENE)


def sent_in_another_size(rig: DepthRig, stamp: float) -> None:
    rig.send(stamp, SCENE, MILLIMETRES[:90])


def sent_in_another_frame(rig: DepthRig, stamp: float) -> None:
    rig.send_depth(stamp, MILLIMETRES, frame_id="depth_optical")
    rig.send_image(stamp, SCENE)


def sent_in_metres_that_are_millimetres(rig: DepthRig, stamp: float) -> None:
    rig.send_depth(stamp, METRES * 1000)
    rig.send_image(stamp, SCENE)


def sent_with_a_fisheye(rig: DepthRig, stamp: float) -> None:
    rig.send_depth(stamp, MILLIMETRES)
    rig.send_info(stamp, SIZE, distortion_model="equidistant", d=[0.1, 0.0, 0.0, 0.0])
    rig.send_image(stamp, SCENE)


@pytest.mark.parametrize(
    ("reason", "send", "words"),
    [
        ("too late", sent_without_depth, "depth_wait_s"),
        ("too far apart", sent_too_far_apart, "depth_tolerance is 0.02 s"),
        ("other size", sent_in_another_size, "Register the depth"),
        ("other frame", sent_in_another_frame, "'depth_optical'"),
        ("unreadable", sent_in_metres_that_are_millimetres, "16UC1"),
        ("unreadable", sent_with_a_fisheye, "equidistant"),
    ],
    ids=lambda given: given.__name__ if callable(given) else str(given).replace(" ", "_"),
)
def test_what_cannot_be_used_is_counted_by_reason_and_the_next_image_is_answered(
    rig: DepthRig, reason: str, send: Callable[[DepthRig, float], None], words: str
) -> None:
    rig.client.set_parameters(depth_wait_s=0.1)
    rig.answer("objects", SCENE, MILLIMETRES)
    key = f"nothing in space, {reason}"
    before = int(rig.client.diagnosed(lambda *_: True)[key])
    stamps: list[float] = []

    def refused(values: dict[str, str], _: Any) -> bool:
        stamps.append(rig.next_stamp())
        send(rig, stamps[-1])
        return int(values[key]) > before

    values = rig.client.diagnosed(refused)

    assert words in values["last image with nothing in space"]
    assert not [stamp for stamp in stamps if rig.of("objects", stamp)]
    rig.answer("objects", SCENE, MILLIMETRES)


def test_the_timing_has_the_steps_in_space(rig: DepthRig) -> None:
    rig.listen(objects=Objects3D, **{"debug/timing": FrameTiming})

    def timed() -> Any:
        rig.answer("objects", SCENE, MILLIMETRES)
        found = rig.soon(lambda: rig.of("debug/timing", rig.stamp))
        stages = {each.stage for each in found.stages} if found else set()
        return found if "lift" in stages else None

    timing = rig.client.spin_until(timed, "a timing with lift")
    stages = {each.stage: each.milliseconds for each in timing.stages}
    assert {"depth", "lift", "space messages", "space publish", "publish"} <= set(stages)
    assert sum(stages.values()) <= timing.total_milliseconds + 1e-2
    rig.client.diagnosed(lambda values, _: "step lift median ms" in values)


def test_markers_of_objects_that_are_gone_are_deleted(rig: DepthRig) -> None:
    rig.listen(objects=Objects3D, markers=MarkerArray)
    shown: list[MarkerArray] = rig.heard.setdefault("markers", [])

    def markers_after(scene: np.ndarray) -> MarkerArray:
        rig.answer("objects", scene, MILLIMETRES)
        count = len(shown)
        rig.answer("objects", scene, MILLIMETRES)
        return rig.client.spin_until(lambda: shown[count:], "markers")[-1]

    # A marker array has no header, so that the next ones are those of this scene.
    both = markers_after(SCENE).markers
    cubes = [each for each in both if each.type == Marker.CUBE and each.action == Marker.ADD]
    assert len(cubes) == 2
    assert {each.header.frame_id for each in both} == {rig.frame_id}
    texts = {each.text.split()[0] for each in both if each.type == Marker.TEXT_VIEW_FACING}
    assert texts == {"red", "blue"}
    begin = len(shown)
    markers_after(ONLY_BLUE)
    deleted = [m for array in shown[begin:] for m in array.markers if m.action == Marker.DELETE]
    assert {each.ns for each in deleted} == {"boxes", "labels"}
    assert len(deleted) == 2


def test_markers_go_while_nothing_more_can_be_said(rig: DepthRig) -> None:
    rig.client.set_parameters(depth_wait_s=0.0)
    rig.listen(objects=Objects3D, markers=MarkerArray)
    shown: list[MarkerArray] = rig.heard.setdefault("markers", [])
    rig.answer("objects", SCENE, MILLIMETRES)
    rig.client.spin_until(lambda: shown, "markers")
    # What went well before the depth was left does not count.
    rig.listen(mask=Image)
    rig.unsubscribed()
    rig.listen(markers=MarkerArray, objects=Objects3D)
    rig.subscribed()

    def are_gone() -> bool:
        rig.send_image(rig.next_stamp(), SCENE)
        return rig.soon(lambda: [m.action for m in shown[-1].markers] == [Marker.DELETEALL], 0.5)

    rig.client.spin_until(are_gone, "the markers taken away")
    rig.answer("objects", SCENE, MILLIMETRES)
    rig.client.spin_until(lambda: any(m.text for m in shown[-1].markers), "new markers")


def test_places_of_tracked_objects_are_smoothed_if_asked(rig: DepthRig) -> None:
    rig.client.prompt("set", Prompts(prompts=[Prompt(id="it", text="red", tracking=True)]))
    rig.client.set_parameters(depth_smoothing=True)

    def smoothed() -> Any:
        objects = rig.answer("objects", SCENE, MILLIMETRES).objects
        return objects[0] if objects and objects[0].is_smoothed else None

    first = rig.client.spin_until(smoothed, "a smoothed place")
    assert first.score.track_id > 0
    for _ in range(3):
        (last,) = rig.answer("objects", SCENE, MILLIMETRES).objects
    assert last.is_smoothed
    assert place(last) == pytest.approx(middle_of(RED, NEAR), abs=0.02)
    assert sum(last.covariance[::4]) < sum(first.covariance[::4])
    rig.client.set_parameters(depth_smoothing=False)
    assert not rig.answer("objects", SCENE, MILLIMETRES).objects[0].is_smoothed
    rig.client.prompt("set", Prompts())
    rig.client.set_parameters(prompts=["red", "blue"])


def test_without_a_listener_depth_is_not_even_subscribed_to(rig: DepthRig) -> None:
    rig.answer("objects", SCENE, MILLIMETRES)
    rig.listen(mask=Image)
    rig.unsubscribed()
    before = rig.client.diagnosed(lambda values, _: values["depth subscribed"] == "false")

    rig.client.spin_until(
        lambda: (
            rig.send(rig.next_stamp(), SCENE, MILLIMETRES)
            or rig.soon(lambda: rig.of("mask", rig.stamp))
        ),
        "a mask",
    )

    after = rig.client.diagnosed(lambda *_: True)
    for key in ("depth images received", "answers in space"):
        assert after[key] == before[key]
    rig.listen(objects=Objects3D)
    rig.subscribed()
    rig.answer("objects", SCENE, MILLIMETRES)


def test_the_topics_are_those_of_the_page(rig: DepthRig) -> None:
    absent = set() if find_detections_3d()[0] else {"~/detections_3d"}
    listed = {each for each in listed_topics("topics of depth out") if each[0] not in absent}
    listed_in = listed_topics("topics of depth in")

    seen = topics_in_the_graph(rig.client.node)

    assert seen is not None
    assert listed <= seen.published
    raw = {each for each in listed_in if "compressedDepth" not in each[0]}
    assert listed_in - seen.subscribed == listed_in - raw


def test_a_node_that_is_deactivated_takes_its_markers_away_and_leaves_depth(rig: DepthRig) -> None:
    rig.listen(objects=Objects3D, markers=MarkerArray)
    shown: list[MarkerArray] = rig.heard.setdefault("markers", [])
    count = len(shown)
    rig.client.spin_until(
        lambda: rig.answer("objects", SCENE, MILLIMETRES) and shown[count:], "markers"
    )

    def is_empty() -> bool:
        return bool(shown) and [m.action for m in shown[-1].markers] == [Marker.DELETEALL]

    assert rig.client.transition("deactivate")
    rig.client.spin_until(is_empty, "the markers taken away")
    rig.unsubscribed()
    assert rig.client.transition("activate")
    rig.subscribed()
    rig.answer("objects", SCENE, MILLIMETRES)


@pytest.mark.skipif(find_spec("tf2_ros") is not None, reason="tf2 is here")
def test_a_target_frame_without_tf2_is_refused_with_the_reason(rig: DepthRig) -> None:
    client: NodeClient = rig.client
    assert client.transition("deactivate") and client.transition("cleanup")
    assert client.set_parameters(target_frame="map").successful
    assert not client.transition("configure")
    values = client.diagnosed(lambda values, _: "tf2_ros" in values["last error"])
    assert "target_frame" in values["last error"]
    assert client.set_parameters(depth=False).successful
    assert not client.transition("configure")
    client.diagnosed(lambda values, _: "depth is false" in values["last error"])
    assert client.set_parameters(depth=True, target_frame="").successful
    assert client.transition("configure") and client.transition("activate")
    rig.subscribed()
    rig.answer("objects", SCENE, MILLIMETRES)
