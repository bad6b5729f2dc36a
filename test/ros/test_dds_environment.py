from __future__ import annotations

from pathlib import Path

import pytest

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros import dds_environment
from sam3_ros.ros.dds_environment import PROFILE_VARIABLES, fastdds_profile, use_image_profile

KILTED, JAZZY = PROFILE_VARIABLES


@pytest.mark.parametrize(
    ("distribution", "variable"), [("kilted", KILTED), ("rolling", KILTED), ("jazzy", JAZZY)]
)
def test_the_profile_goes_by_the_name_that_the_distribution_knows(distribution, variable):
    environment = {"ROS_DISTRO": distribution}
    use_image_profile(environment)
    assert {name for name in PROFILE_VARIABLES if name in environment} == {variable}
    assert Path(environment[variable]).name == "fastdds.xml"


def test_a_profile_of_the_users_own_wins():
    environment = {JAZZY: "mine.xml"}
    use_image_profile(environment)
    assert environment == {JAZZY: "mine.xml"}


def test_an_installed_profile_is_found(tmp_path, monkeypatch):
    installed = tmp_path / "share" / "sam3_ros" / "config" / "fastdds.xml"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(dds_environment, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert fastdds_profile() == installed


def test_a_package_without_its_profile_is_not_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(dds_environment, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    with pytest.raises(Sam3RosError, match="install the package anew"):
        fastdds_profile()
