"""How the processes of a run carry their images."""

from __future__ import annotations

import pytest

from sam3_ros.live.run import _use_profile
from sam3_ros.ros.launching.dds import (
    PROFILE_VARIABLES,
    TRANSPORTS_VARIABLE,
    fastdds_profile,
    profile_in_use,
)
from sam3_ros.ros.launching.process_arguments import node_command


@pytest.mark.parametrize("variable", PROFILE_VARIABLES)
def test_a_profile_that_is_given_wins_over_that_of_the_environment(tmp_path, variable):
    mine = tmp_path / "mine.xml"
    mine.touch()
    environment = {variable: "/other.xml"}
    _use_profile(node_command({"fastdds_profile": str(mine)}), environment)
    assert profile_in_use(environment) == str(mine)
    assert len(environment) == 1


def test_none_is_none_although_the_node_would_take_its_own():
    environment = {PROFILE_VARIABLES[0]: "/other.xml"}
    _use_profile(node_command({"fastdds_profile": ""}), environment)
    assert environment == {TRANSPORTS_VARIABLE: "DEFAULT"}


def test_without_a_word_the_environment_decides():
    for name in PROFILE_VARIABLES:
        environment = {name: "/mine.xml"}
        _use_profile(node_command({}), environment)
        assert environment == {name: "/mine.xml"}
    environment: dict[str, str] = {}
    _use_profile(node_command({}), environment)
    assert profile_in_use(environment) in (str(fastdds_profile()), None)  # by the room in /dev/shm
