"""What people are told to do where images get lost."""

from __future__ import annotations

import pytest

from sam3_ros.ros.node.lost_images import remedy

CYCLONE = {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
KILTED = {"ROS_DISTRO": "kilted"}
PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE=/"


@pytest.mark.parametrize(
    ("environment", "compressed", "reliability", "is_reliable", "publishers", "said"),
    [
        (KILTED, False, "auto", True, [True], PROFILE),
        ({"ROS_DISTRO": "jazzy"}, False, "auto", True, [True], "FASTRTPS_DEFAULT_PROFILES_FILE=/"),
        (KILTED, False, "auto", False, [True, False], "or with reliable QoS"),
        (KILTED, False, "best_effort", False, [True], "set image_reliability to auto"),
        (KILTED, False, "reliable", True, [False], "set image_reliability to auto"),
        (KILTED, True, "auto", True, [True], "look at the network"),
        (CYCLONE, False, "auto", True, [True], "set image_transport to compressed"),
        (CYCLONE, False, "auto", True, [True], "socket buffers"),
    ],
)
def test_the_remedy_fits_the_way(
    environment, compressed, reliability, is_reliable, publishers, said
):
    told = remedy(environment, compressed, reliability, is_reliable, publishers, were_sent=True)
    assert said in told
    unsent = remedy(environment, compressed, "auto", is_reliable, publishers, were_sent=False)
    assert "the camera driver takes them" in unsent
