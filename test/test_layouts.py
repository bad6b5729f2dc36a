"""config/segmentation.rviz and config/foxglove_layout.json name topics that the node has.

The tables of topics in docs/interface.md are compared with the running node, so they stand for it
here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sam3_ros.ros.launching.demo_player import TOPICS
from sam3_ros.ros.message_types import message_class

ROOT = Path(__file__).parents[1]
RVIZ = ROOT / "config" / "segmentation.rviz"
FOXGLOVE = ROOT / "config" / "foxglove_layout.json"
MARKERS = "visualization_msgs/msg/MarkerArray"
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
ROW = re.compile(r"^\| `([~/][\w/]*)` \| `(\w+/msg/\w+)`", re.MULTILINE)


@pytest.fixture(scope="module")
def type_of() -> dict[str, str]:
    """Return topic -> type, of the node under its default name and of the demo's camera."""
    rows = ROW.findall((ROOT / "docs" / "interface.md").read_text(encoding="utf-8"))
    assert ("~/mask", IMAGE) in rows
    of_the_node = {topic.replace("~", "/segmentation_node"): kind for topic, kind in rows}
    return {**of_the_node, TOPICS[0]: COMPRESSED}


@pytest.fixture(scope="module")
def displays() -> dict[str, dict[str, Any]]:
    """Return the displays of the RViz configuration, by name."""
    config = yaml.safe_load(RVIZ.read_text(encoding="utf-8"))
    return {each["Name"]: each for each in config["Visualization Manager"]["Displays"]}


@pytest.fixture(scope="module")
def foxglove() -> dict[str, Any]:
    return json.loads(FOXGLOVE.read_text(encoding="utf-8"))


def panels(foxglove: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [config for key, config in foxglove["configById"].items() if key.split("!")[0] == kind]


def leaves(layout: Any) -> Iterator[str]:
    if isinstance(layout, str):
        yield layout
    else:
        assert layout["direction"] in ("row", "column")
        yield from leaves(layout["first"])
        yield from leaves(layout["second"])


def of_kind(displays: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the displays of a class of RViz's own, by name."""
    found = f"rviz_default_plugins/{kind}"
    return {name: each for name, each in displays.items() if each["Class"] == found}


def test_rviz_shows_what_is_in_space(
    displays: dict[str, dict[str, Any]], type_of: dict[str, str]
) -> None:
    clouds, markers = of_kind(displays, "PointCloud2"), of_kind(displays, "MarkerArray")

    assert set(clouds) == {"Objects cloud", "Scene cloud"}
    assert set(markers) == {"Objects"}
    for found, kind in ((clouds, "sensor_msgs/msg/PointCloud2"), (markers, MARKERS)):
        assert {type_of[each["Topic"]["Value"]] for each in found.values()} == {kind}
    # A deletion that is lost leaves a marker for ever.
    assert markers["Objects"]["Topic"]["Reliability Policy"] == "Reliable"


def test_rviz_shows_camera_overlay_mask_and_confidence(
    displays: dict[str, dict[str, Any]], type_of: dict[str, str]
) -> None:
    images = of_kind(displays, "Image")
    assert set(images) == {"Overlay", "Camera", "Mask", "Confidence"}
    for display in images.values():
        assert display["Class"] == "rviz_default_plugins/Image"
        assert display["Enabled"] is True
        assert type_of[display["Topic"]["Value"]] in (IMAGE, COMPRESSED)


def test_rviz_takes_images_as_they_come(displays: dict[str, dict[str, Any]]) -> None:
    # A best effort subscription matches every publisher, a reliable one only reliable ones.
    images = of_kind(displays, "Image").values()
    assert {each["Topic"]["Reliability Policy"] for each in images} == {"Best Effort"}


def test_foxglove_lays_out_every_panel_once(foxglove: dict[str, Any]) -> None:
    assert sorted(leaves(foxglove["layout"])) == sorted(foxglove["configById"])


def test_foxglove_shows_camera_overlay_mask_and_confidence(
    foxglove: dict[str, Any], type_of: dict[str, str]
) -> None:
    topics = [panel["imageMode"]["imageTopic"] for panel in panels(foxglove, "Image")]

    assert {topic.rsplit("/", 1)[-1] for topic in topics} == {
        *("overlay", "mask", "confidence", "compressed"),
    }
    assert {type_of[topic] for topic in topics} == {IMAGE, COMPRESSED}


def test_foxglove_shows_what_is_in_space(foxglove: dict[str, Any], type_of: dict[str, str]) -> None:
    (panel,) = panels(foxglove, "3D")

    assert {type_of[topic] for topic in panel["topics"]} == {
        *(MARKERS, "sensor_msgs/msg/PointCloud2"),
    }


def test_foxglove_asks_by_messages_that_the_node_takes(
    foxglove: dict[str, Any], type_of: dict[str, str]
) -> None:
    asked = panels(foxglove, "Publish")

    assert len(asked) == 2
    for panel in asked:
        assert type_of[panel["topicName"]] == panel["datatype"]
        message = message_class(panel["datatype"])
        fields = set(message.get_fields_and_field_types())
        assert set(json.loads(panel["value"])) == fields


def test_a_click_from_foxglove_asks_the_newest_image(foxglove: dict[str, Any]) -> None:
    (click,) = (each for each in panels(foxglove, "Publish") if "Point" in each["datatype"])

    assert json.loads(click["value"])["header"]["stamp"] == {"sec": 0, "nanosec": 0}


def test_foxglove_shows_what_became_of_a_prompt_and_the_diagnostics(
    foxglove: dict[str, Any], type_of: dict[str, str]
) -> None:
    raw = {
        panel["topicPath"]: type_of[panel["topicPath"]] for panel in panels(foxglove, "RawMessages")
    }
    health = [*panels(foxglove, "DiagnosticSummary"), *panels(foxglove, "DiagnosticStatusPanel")]

    assert set(raw.values()) == {"sam3_ros/msg/PromptStatus", "sam3_ros/msg/ActivePrompts"}
    assert [type_of[panel["topicToRender"]] for panel in health] == [
        "diagnostic_msgs/msg/DiagnosticArray",
    ] * 2
