from __future__ import annotations

import re

import pytest

from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.launching.arguments import (
    IMAGE,
    LaunchArgumentError,
    camera_topics,
    depth_remappings,
    given_parameters,
)
from sam3_ros.ros.parameters.specs import ParameterError


def test_without_cameras_there_is_one_whose_topics_carry_no_name() -> None:
    found = camera_topics("/eye", "  ")

    assert found.names == []
    assert found.remappings == [("image", "/eye"), ("image/compressed", "/eye/compressed")]


@pytest.mark.parametrize(
    "text", ["front=/f left=~/l", "front=/f,left=~/l", " front=/f ,  left=~/l"]
)
def test_cameras_are_separated_by_spaces_or_commas(text: str) -> None:
    found = camera_topics(IMAGE, text)

    assert found.names == ["front", "left"]
    assert found.remappings[::2] == [("front/image", "/f"), ("left/image", "~/l")]


def test_a_name_alone_listens_to_its_own_topic() -> None:
    found = camera_topics(IMAGE, "front left=/l")

    assert found.names == ["front", "left"]
    assert [name for name, _ in found.remappings] == ["left/image", "left/image/compressed"]


@pytest.mark.parametrize(
    ("cameras", "reason"),
    [
        ("front=", "expects a topic"),
        ("front=/a//b", "expects a topic"),
        ("front=/1a", "expects a topic"),
        ("front=/a/compressed", "transport:=compressed"),
        ("=/front", "a name is missing"),
        ("/front/image_raw", "letters, digits and underscores"),
        ("prompt=/p", "none of debug, image, prompt"),
        ("a=/f a=/g", "different names"),
    ],
)
def test_a_malformed_list_is_refused_with_its_form(cameras: str, reason: str) -> None:
    with pytest.raises(LaunchArgumentError, match=reason):
        camera_topics(IMAGE, cameras)


def test_image_and_cameras_exclude_each_other() -> None:
    with pytest.raises(LaunchArgumentError, match="camera without a name"):
        camera_topics("/eye", "front=/front")


def test_a_compressed_topic_is_named_by_its_raw_one() -> None:
    with pytest.raises(LaunchArgumentError, match="/camera/image, with transport:=compressed"):
        camera_topics("/camera/image/compressed", "")


def test_a_parameter_of_an_earlier_version_is_refused_which_launch_would_take_for_nothing() -> None:
    with pytest.raises(ParameterError, match="'sticky_clicks' any more: set tracking"):
        given_parameters({"sticky_clicks": "true"})


def test_depth_and_camera_info_are_remapped_in_every_transport() -> None:
    one = depth_remappings(Cameras.named(()), "/eye/depth", "")
    two = depth_remappings(Cameras.named(["front", "left"]), "front=/f left=/l", "left=/i")

    assert one == [("depth", "/eye/depth"), ("depth/compressedDepth", "/eye/depth/compressedDepth")]
    assert two[::2] == [("front/depth", "/f"), ("left/depth", "/l"), ("left/camera_info", "/i")]


@pytest.mark.parametrize(
    ("cameras", "depth", "reason"),
    [
        ([], "/a//b", "expects a topic"),
        ([], "front=/a", "there is no camera 'front'"),
        ([], "/a /b", "one topic a camera"),
        ([], "/a/compressedDepth", "/a, with depth_transport:=compressedDepth"),
        (["front"], "/a", "front=/front/depth_image"),
        (["front"], "back=/a", "there is no camera 'back'"),
    ],
)
def test_a_topic_of_depth_that_cannot_be_meant_is_refused(
    cameras: list[str], depth: str, reason: str
) -> None:
    with pytest.raises(LaunchArgumentError, match=re.escape(reason)):
        depth_remappings(Cameras.named(cameras), depth, "")
