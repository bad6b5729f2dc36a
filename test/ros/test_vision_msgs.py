"""Label info and detections, with the messages of vision_msgs built for the test, and without."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from depth_rig import DepthRig
from geometry_msgs.msg import Pose2D
from listed_topics import NodeTopics, listed_topics, settled_topics
from node_client import NODE, NodeClient
from node_under_test import NodeProcess, running_node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sam3_ros.msg import Objects3D, Prompt, Prompts
from scenes import colour_scene
from std_msgs.msg import String
from vision_msgs_workspace import Workspace, build_vision_msgs

from sam3_ros.core.geometry import Box
from sam3_ros.ros.answers.vision_msgs import set_box, vision_class
from sam3_ros.ros.parameters.specs import OUTPUTS

# The build takes a quarter of a minute, and several on a machine that has other things to do.
pytestmark = [pytest.mark.timeout(900), pytest.mark.long]
SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40), "blue": (80, 16, 116, 60)})
# What Nav2's semantic segmentation layer subscribes with.
LATCHED = QoSProfile(
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return build_vision_msgs(tmp_path_factory.mktemp("vision_msgs"))


@pytest.fixture(scope="module")
def client_of_one_node(
    tmp_path_factory: pytest.TempPathFactory, sam3_bundle_path: Path, workspace: Workspace
) -> Iterator[NodeClient]:
    parameters = {"bundle": sam3_bundle_path, "depth": "true", "prompts": "['red', 'blue']"}
    folder = tmp_path_factory.mktemp("node")
    with workspace.sourced(), running_node(folder, **parameters) as (_, client):
        yield client.connected()


@pytest.fixture
def client(client_of_one_node: NodeClient) -> Iterator[NodeClient]:
    yield client_of_one_node
    client_of_one_node.set_parameters(
        prompts=["red", "blue"], score_threshold=0.0, outputs=list(OUTPUTS)
    )


def heard(client: NodeClient, message: str, topic: str, qos: QoSProfile) -> list[Any]:
    """Subscribe; return the list to which each message from now on is added."""
    messages: list[Any] = []
    client.node.create_subscription(vision_class(message), f"{NODE}/{topic}", messages.append, qos)
    return messages


def names(label_info: Any) -> dict[int, str]:
    return {entry.class_id: entry.class_name for entry in label_info.class_map}


def test_with_vision_msgs_the_node_has_every_topic_of_the_readme(client: NodeClient) -> None:
    client.diagnosed(lambda values, _: values["state"] == "active")

    listed = listed_topics("topics out") | listed_topics("topics of depth out")

    assert listed == settled_topics(client.node, lambda seen: seen.published == listed).published


def test_the_topics_that_the_nav2_page_names_are_the_nodes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "nav2.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+_topic)` \| `(\S+)` \| `(\S+)` \|", page, re.MULTILINE)
    named = {parameter: (topic, kind) for parameter, topic, kind in rows}
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    costmap = yaml.safe_load(text)["local_costmap"]["local_costmap"]["ros__parameters"]
    camera = costmap["semantic_layer"]["camera"]

    assert set(named.values()) <= listed_topics("topics out")
    assert set(named) == {"segmentation_topic", "confidence_topic", "labels_topic"}
    for parameter, (topic, _) in named.items():
        assert camera[parameter] == topic.replace("~", NODE)


def test_who_comes_late_is_told_what_the_labels_mean(client: NodeClient) -> None:
    client.diagnosed(lambda values, _: values["state"] == "active")
    infos = heard(client, "LabelInfo", "label_info", LATCHED)
    client.spin_until(lambda: infos, "label info")

    assert names(infos[-1]) == {1: "red", 2: "blue"}
    assert infos[-1].threshold == 0.5  # the bundle's own
    assert infos[-1].header.stamp.sec > 0


def test_label_info_follows_the_prompts_and_the_threshold(client: NodeClient) -> None:
    infos = heard(client, "LabelInfo", "label_info", LATCHED)
    client.prompt("text", String(data="green; blue"))
    client.spin_until(lambda: infos and names(infos[-1]) == {1: "green", 2: "blue"}, "green")
    client.set_parameters(score_threshold=0.25)
    client.spin_until(lambda: infos[-1].threshold == 0.25, "the threshold")
    client.prompt("set", Prompts(prompts=[Prompt(id="sea", label="water", text="blue")]))
    client.spin_until(lambda: list(names(infos[-1]).values()) == ["water"], "a label of its own")
    client.prompt("set", Prompts())
    client.spin_until(lambda: names(infos[-1]) == {}, "no labels")
    said = [(names(each), each.threshold) for each in infos]
    assert all(before != after for before, after in pairwise(said))


def test_label_info_is_silent_while_it_is_not_wanted(client: NodeClient) -> None:
    infos = heard(client, "LabelInfo", "label_info", LATCHED)
    client.spin_until(lambda: infos, "label info")
    client.set_parameters(outputs=["mask"])
    client.prompt("text", String(data="green"))
    client.prompt("text", String(data="object"))
    client.set_parameters(outputs=["mask", "label_info"])
    client.spin_until(lambda: list(names(infos[-1]).values()) == ["object"], "the newest")
    assert ["green"] not in [list(names(info).values()) for info in infos]


def test_detections_in_space_say_what_the_objects_say(client: NodeClient) -> None:
    rig = DepthRig(client)
    depth = np.full((96, 128), 1000, np.uint16)
    depth[10:40, 10:40] = 800
    depth[14:62, 78:118] = 0  # blue has no place
    rig.listen(objects=Objects3D, detections_3d=vision_class("Detection3DArray"))
    rig.subscribed()

    def of_one_image() -> Any:
        objects = rig.answer("objects", SCENE, depth)
        detections = rig.soon(lambda: rig.of("detections_3d", rig.stamp))
        return detections and (objects, detections)

    objects, detections = client.spin_until(of_one_image, "objects and detections of one image")

    assert detections.header == objects.header
    (found,) = [each for each in objects.objects if each.has_place]
    (detection,) = detections.detections
    assert detection.header == objects.header
    assert detection.id == str(found.score.id)
    (result,) = detection.results
    assert (result.hypothesis.class_id, found.score.label) == ("red", "red")
    assert result.hypothesis.score == pytest.approx(found.score.score)
    assert result.pose.pose.position == found.centre
    assert list(result.pose.covariance[:3]) == list(found.covariance[:3])
    assert detection.bbox.center == found.box_pose
    assert detection.bbox.size == found.box_size


def test_detections_say_what_the_scores_say(client: NodeClient) -> None:
    found = heard(client, "Detection2DArray", "detections", QoSProfile(depth=50))

    def of_one_image() -> Any:
        scores = client.answer(SCENE, "scores")["scores"]
        return next(((each, scores) for each in found if each.header == scores.header), None)

    detections, scores = client.spin_until(of_one_image, "detections and scores of one image")
    assert len(scores.segments) == 2
    for detection, segment in zip(detections.detections, scores.segments, strict=True):
        assert detection.header == scores.header
        assert detection.id == str(segment.id)
        (result,) = detection.results
        assert result.hypothesis.class_id == segment.label
        assert result.hypothesis.score == pytest.approx(segment.score)
        box, centre = segment.box, detection.bbox.center.position
        assert (centre.x - detection.bbox.size_x / 2) == pytest.approx(box.x_min)
        assert (centre.y + detection.bbox.size_y / 2) == pytest.approx(box.y_max)
        assert detection.bbox.size_x == pytest.approx(box.x_max - box.x_min)
        assert detection.bbox.size_y == pytest.approx(box.y_max - box.y_min)


def test_a_tracked_detection_has_the_id_of_its_track_while_it_is_seen(client: NodeClient) -> None:
    found = heard(client, "Detection2DArray", "detections", QoSProfile(depth=50))
    client.prompt("set", Prompts(prompts=[Prompt(id="a", text="red", tracking=True)]))

    client.spin_until(lambda: client.answer(SCENE, "scores") and found, "detections")

    def of(scene: Any) -> tuple[Any, Any]:
        scores = client.answer(scene, "scores")["scores"]

        def detections() -> Any:
            return next((each for each in found if each.header == scores.header), None)

        return client.spin_until(detections, "the detections of an image"), scores

    for _ in range(2):
        detections, scores = of(SCENE)
        assert [each.id for each in detections.detections] == [str(scores.segments[0].track_id)]
        assert scores.segments[0].track_id > 0
    detections, scores = of(colour_scene(96, 128, {}))
    assert (len(detections.detections), len(scores.segments)) == (0, 1)


def test_a_box_of_vision_msgs_before_4_0() -> None:
    # There the centre was geometry_msgs/Pose2D, which has no position inside.
    message = SimpleNamespace(center=Pose2D(), size_x=0.0, size_y=0.0)
    set_box(message, Box(10, 20, 40, 30))

    assert (message.center.x, message.center.y) == (25, 25)
    assert (message.size_x, message.size_y) == (30, 10)


@pytest.fixture(params=["not installed", "without its libraries"])
def lacking(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Hide vision_msgs or its libraries from the processes that are started; return which."""
    package = tmp_path / "vision_msgs"
    if request.param == "not installed":
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('hidden by the test')\n")
    else:
        shutil.copytree(
            workspace.python / "vision_msgs", package, ignore=shutil.ignore_patterns("*.so")
        )
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return str(request.param)


def test_a_node_without_vision_msgs_runs_and_says_once_what_is_missing(
    lacking: str, tmp_path: Path, sam3_bundle_path: Path
) -> None:
    cameras = {"cameras": "['front', 'left']", "prompts": "['red']"}
    with running_node(tmp_path, bundle=sam3_bundle_path, **cameras) as (process, client):
        client.diagnosed(lambda values, _: values["state"] == "active")
        published = kinds_of(settled_topics(client.node, has_all_others).published)
    assert not [kind for kind in published if kind.startswith("vision_msgs")]
    assert "sam3_ros/msg/SegmentScores" in published
    (line,) = [line for line in log_of(process) if "no ~/label_info" in line]
    assert "no ~/detections" in line
    reason = "are not installed here" if lacking == "not installed" else "cannot be loaded"
    assert line.count(reason) == 2


def kinds_of(topics: Iterable[tuple[str, str]]) -> set[str]:
    return {kind for _, kind in topics}


def has_all_others(seen: NodeTopics) -> bool:
    """Return whether all is published that needs no vision_msgs."""
    of_vision = "vision_msgs/"
    listed = {k for k in kinds_of(listed_topics("topics out")) if not k.startswith(of_vision)}
    return listed <= kinds_of(seen.published)


def log_of(process: NodeProcess) -> list[str]:
    return process.log.splitlines()
