"""Transforms of tf2; a stand-in for it, which has the same calls, where it is not installed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from std_msgs.msg import Header

from sam3_ros.ros.depth.ledger import DepthRefusal, DepthRefusedError
from sam3_ros.ros.depth.transforms import Tf2Transforms

HEADER = Header(frame_id="/camera_optical", stamp=Time(sec=12, nanosec=5))


class StandInError(Exception):
    """What tf2_ros.TransformException is."""


class Buffer:
    """As tf2_ros.Buffer; knows the camera in the frame `map` alone."""

    asked: list[tuple[Any, ...]]

    def __init__(self) -> None:
        self.asked = []

    def lookup_transform(self, *asked: Any) -> TransformStamped:
        self.asked.append(asked)
        target, source, time, timeout = asked
        assert (time.nanoseconds, timeout.nanoseconds) == (12_000_000_005, 250_000_000)
        if (target, source) != ("map", "camera_optical"):
            raise StandInError(f'"{target}" passed to lookupTransform does not exist')
        turned = Quaternion(x=0.0, y=0.0, z=np.sqrt(0.5), w=np.sqrt(0.5))
        return TransformStamped(
            transform=Transform(translation=Vector3(x=1.0, y=2.0, z=3.0), rotation=turned)
        )


class Listener:
    """As tf2_ros.TransformListener."""

    def __init__(self, buffer: Buffer, node: None, *, spin_thread: bool) -> None:
        assert isinstance(buffer, Buffer) and node is None
        assert not spin_thread  # the node's executor does it


@pytest.fixture
def transforms(monkeypatch: pytest.MonkeyPatch) -> Tf2Transforms:
    stand_in = ModuleType("tf2_ros")
    stand_in.Buffer, stand_in.TransformException = Buffer, StandInError
    stand_in.TransformListener = Listener
    monkeypatch.setitem(sys.modules, "tf2_ros", stand_in)
    return Tf2Transforms(None)


def test_a_transform_is_looked_up_at_the_images_stamp(transforms: Tf2Transforms) -> None:
    found = transforms.look_up("map", HEADER, 0.25)

    assert found.frame == "map"
    # A quarter turn around z, and moved.
    np.testing.assert_allclose(found.of_point(np.array([1.0, 0.0, 0.0])), [1.0, 3.0, 3.0])


def test_one_that_is_not_known_is_refused_with_the_words_of_tf2(transforms: Tf2Transforms) -> None:
    with pytest.raises(DepthRefusedError, match=r"odom.*within 0.25 s.*does not exist") as refused:
        transforms.look_up("odom", HEADER, 0.25)
    assert refused.value.refusal is DepthRefusal.NO_TRANSFORM
