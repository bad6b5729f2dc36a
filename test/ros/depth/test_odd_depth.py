"""Depth, calibration and masks as nobody should send them: refused, or answered with numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from depth_rig import camera_info, compressed_depth
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.answers.clouds import cloud_message
from sam3_ros.ros.answers.messages import Answer
from sam3_ros.ros.answers.objects_3d import objects_message
from sam3_ros.ros.answers.space import SpaceAnswer
from sam3_ros.ros.depth.ledger import DepthRefusedError
from sam3_ros.ros.depth.pairs import DepthPair
from sam3_ros.ros.depth.registered import registered
from sam3_ros.ros.images.messages import image_message

SIZE = HEIGHT, WIDTH = 48, 64
HEADER = Header(frame_id="camera")
ODD = (0.0, np.nan, np.inf, -np.inf, -1.0, 1e38, 1e-38, 1e-3)


def odd_depth(rng: np.random.Generator) -> Image | CompressedImage:
    """Return depth of the right size with odd values, bytes or flags."""
    metres = rng.uniform(0.3, 5.0, SIZE).astype(np.float32)
    if rng.random() < 0.5:
        odd = rng.random(SIZE) < rng.random()
        metres[odd] = rng.choice(np.array(ODD, np.float32), odd.sum())
    kind = rng.integers(5)
    if kind == 0:
        return compressed_depth(rng.integers(0, 2**16, SIZE).astype(np.uint16), HEADER)
    if kind == 1:
        return image_message(rng.integers(0, 2**16, SIZE).astype(np.uint16), "16UC1", HEADER)
    if kind == 2:
        damaged = compressed_depth(rng.integers(0, 2**16, SIZE).astype(np.uint16), HEADER)
        data = bytearray(damaged.data)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        damaged.data = bytes(data[: rng.integers(len(data))] if rng.random() < 0.5 else data)
        return damaged
    message = image_message(metres, "32FC1", HEADER)
    message.is_bigendian = int(kind == 3)  # as a driver that sets the wrong flag
    return message


def odd_info(rng: np.random.Generator) -> CameraInfo:
    info = camera_info(SIZE, HEADER)
    for name, chance in (("k", 0.2), ("d", 0.3)):
        if rng.random() < chance:
            values = getattr(info, name)
            for place in rng.integers(0, len(values), 2):
                values[place] = float(rng.choice((*ODD, 0.1, 1e300)))
    return info


def odd_segments(rng: np.random.Generator) -> list[Segment]:
    masks = [np.zeros(SIZE, bool), np.ones(SIZE, bool), rng.random(SIZE) < 0.2]
    masks.append(masks[0].copy())
    row, column = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
    masks[-1][row : row + rng.integers(1, 20), column : column + rng.integers(1, 20)] = True
    return [Segment("it", "it", 0.5, Box(0, 0, 1, 1), mask) for mask in masks]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_whatever_comes_no_place_and_no_dense_cloud_has_a_nan() -> None:
    rng, outcomes = np.random.default_rng(5), Counter[str]()
    for _ in range(120):
        segments = odd_segments(rng)
        try:
            pair = DepthPair(odd_depth(rng), odd_info(rng))
            found = registered(pair, HEADER, ImageSize(*SIZE), False, 50.0)
            answer = Answer(HEADER, np.zeros((*SIZE, 3), np.uint8), segments, {"it": 1}, "mono8")
            space = SpaceAnswer(answer, found.depth, found.camera)
            objects = objects_message(space).objects
            clouds = [space.object_points, space.scene_points, space.points]
        except (DepthRefusedError, SpaceError) as refused:
            assert len(str(refused).split()) > 3
            outcomes["refused"] += 1
            continue
        for each in objects:
            numbers = (
                each.centre.x,
                each.box_pose.orientation.w,
                each.box_size.z,
                *each.covariance,
            )
            assert np.isfinite(numbers).all() or not each.has_place
            assert each.has_place or each.reason
        for cloud, is_dense in zip(clouds, (True, True, False), strict=True):
            cloud_message(cloud, HEADER, is_dense)
            finite = [np.isfinite(cloud[axis]).all() for axis in "xyz"]
            assert all(finite) or not is_dense
        outcomes["answered"] += 1

    assert min(outcomes["refused"], outcomes["answered"]) > 10, outcomes
