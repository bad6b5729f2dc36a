"""Messages as text, rates, and types by name."""

from __future__ import annotations

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Empty, String

from sam3_ros.ros.message_types import MessageTypeError, message_class
from sam3_ros.topics.commands import RateWindow
from sam3_ros.topics.message_text import LONGEST_STRING, message_text


def test_nested_messages_read_as_yaml():
    message = DiagnosticArray()
    message.header.frame_id = "kamera: ä"
    message.status = [
        DiagnosticStatus(level=b"\1", name=name, values=[KeyValue(key="k", value="v: 1")])
        for name in ("a", "b")
    ]
    read = yaml.safe_load(message_text(message))
    assert read["header"]["frame_id"] == "kamera: ä"
    assert [entry["name"] for entry in read["status"]] == ["a", "b"]
    assert read["status"][0]["level"] == 1
    assert read["status"][1]["values"] == [{"key": "k", "value": "v: 1"}]


def test_arrays_are_cut_short_and_say_how_long_they_are():
    told = message_text(CompressedImage(data=bytes(range(100))), longest=3)
    assert "data: [0, 1, 2, ...] # 100 in all" in told
    read = yaml.safe_load(message_text(CameraInfo(k=[0.5] * 9, binning_x=2), longest=9))
    assert read["k"] == [0.5] * 9
    assert read["d"] == []
    assert read["roi"]["do_rectify"] is False


def test_many_messages_are_cut_short():
    message = DiagnosticArray(status=[DiagnosticStatus(name=str(n)) for n in range(5)])
    told = message_text(message, longest=2)
    assert len(yaml.safe_load(told)["status"]) == 2
    assert "# and 3 more" in told


def test_a_long_string_is_cut_short():
    read = yaml.safe_load(message_text(String(data="x" * 1000)))
    assert read["data"] == "x" * LONGEST_STRING + "..."


def test_a_message_without_fields_of_its_own_is_reported():
    assert message_text(Empty()).strip()


def test_types_are_found_by_name():
    assert message_class("std_msgs/msg/String") is String
    assert message_class("std_msgs/String") is String


@pytest.mark.parametrize("name", ["absent_msgs/msg/Thing", "std_msgs/msg/Thing", "String"])
def test_a_type_that_is_not_there_says_what_to_install(name):
    with pytest.raises(MessageTypeError, match=r"install the ROS package|expected a type"):
        message_class(name)


def test_a_rate_is_that_of_the_window():
    window = RateWindow(3)
    assert window.rate() is None
    for now in (0.0, 5.0, 5.1, 5.3):
        window.add(now)
    rate = window.rate()
    assert rate.hertz == pytest.approx(2 / 0.3)
    assert (rate.shortest, rate.longest) == (pytest.approx(0.1), pytest.approx(0.2))
    assert rate.messages == 3
    assert "6.667 Hz over 3 messages" in str(rate)


def test_a_window_of_one_is_refused():
    with pytest.raises(ValueError, match="2 messages"):
        RateWindow(1)
