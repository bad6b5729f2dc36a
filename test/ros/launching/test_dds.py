from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from sam3_ros.ros.launching.dds import (
    KEEPS_DEFAULTS,
    PROFILE_VARIABLES,
    fastdds_profile,
    keep_to_this_machine,
    profile_variable,
    use_image_profile,
)

KILTED, JAZZY = PROFILE_VARIABLES


@pytest.mark.parametrize(
    ("distribution", "variable"), [("kilted", KILTED), ("rolling", KILTED), ("jazzy", JAZZY)]
)
def test_the_profile_is_in_the_variable_that_the_distribution_reads(distribution, variable):
    environment = {"ROS_DISTRO": distribution}
    use_image_profile(environment)
    assert {name for name in PROFILE_VARIABLES if name in environment} == {variable}
    assert Path(environment[variable]).name == "fastdds.xml"


def test_a_profile_of_the_users_own_wins():
    environment = {JAZZY: "mine.xml"}
    use_image_profile(environment)
    assert environment == {JAZZY: "mine.xml"}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({JAZZY: "mine.xml"}, "Fast DDS uses the profile mine.xml"),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}, "FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA"),
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, "middleware is rmw_cyclonedds_cpp"),
    ],
)
def test_what_the_user_has_chosen_stays_and_is_said(chosen, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.xml").write_text("<dds/>")
    environment = dict(chosen)
    assert said in use_image_profile(environment)
    assert environment == chosen


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (
            {KILTED: "absent.xml", "ROS_DISTRO": "kilted"},
            f"{KILTED} names absent.xml, which cannot be read",
        ),
        ({KILTED: "mine.xml", "ROS_DISTRO": "humble"}, f"{KILTED} is set, and before Kilted"),
        ({JAZZY: "cut.xml"}, "which is no XML"),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "LARGEDATA"}, "did you mean 'LARGE_DATA'?"),
    ],
)
def test_a_choice_that_fast_dds_would_pass_over_is_a_warning(chosen, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cut.xml").write_text("<dds")
    words = use_image_profile(dict(chosen))
    assert words.startswith(KEEPS_DEFAULTS)
    assert said in words


def test_a_profile_in_the_folder_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DEFAULT_FASTDDS_PROFILES.xml").write_text("<dds/>")
    environment: dict[str, str] = {}
    assert "DEFAULT_FASTDDS_PROFILES.xml of this folder" in use_image_profile(environment)
    assert not environment


def test_shared_memory_that_is_too_small_is_left_to_others(monkeypatch):
    environment: dict[str, str] = {}
    assert str(fastdds_profile()) in use_image_profile(environment)
    environment.clear()
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=63 * 256, f_frsize=4096))
    assert "--shm-size" in use_image_profile(environment)
    assert not environment


def test_the_variable_that_the_user_has_names_the_profile():
    assert profile_variable({"ROS_DISTRO": "kilted", JAZZY: "mine.xml"}) == JAZZY
    assert profile_variable({"ROS_DISTRO": "jazzy"}) == JAZZY
    assert profile_variable({"ROS_DISTRO": "kilted"}) == KILTED


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "fastdds.xml"),
        ({"ROS_LOCALHOST_ONLY": "1"}, "fastdds.xml"),
        ({"ROS_DISTRO": "jazzy", "ROS_LOCALHOST_ONLY": "1"}, "fastdds.xml"),
        ({"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "0"}, "fastdds.xml"),
        ({"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "1"}, "fastdds_localhost.xml"),
    ],
)
def test_the_profile_leaves_a_node_of_humble_on_this_machine(environment, name):
    assert fastdds_profile(environment).name == name
    kept = dict(environment)
    assert name in use_image_profile(kept)
    assert Path(kept[profile_variable(environment)]).name == name


def test_the_profiles_differ_in_where_udp_is_heard_alone():
    def transports(environment):
        tree = ElementTree.parse(fastdds_profile(environment))
        found = [
            {field.tag.rpartition("}")[2]: (field.text or "").strip() for field in transport}
            for transport in tree.iter("{http://www.eprosima.com}transport_descriptor")
        ]
        for each in found:
            del each["transport_id"]
        return found

    everywhere = transports({})
    here = transports({"ROS_DISTRO": "humble", "ROS_LOCALHOST_ONLY": "1"})
    assert [each.pop("interfaceWhiteList", None) for each in here] == [None, ""]
    assert here == everywhere


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ("humble", {"ROS_LOCALHOST_ONLY": "1"}),
        ("jazzy", {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}),
    ],
)
def test_a_demo_stays_on_this_machine(distribution, expected):
    environment = {"ROS_DISTRO": distribution}
    keep_to_this_machine(environment)
    assert environment == {"ROS_DISTRO": distribution, **expected}
