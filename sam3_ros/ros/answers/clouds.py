"""Clouds as sensor_msgs/PointCloud2."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from sam3_ros.core.space.clouds import Cloud

_DATATYPES = {"<f4": PointField.FLOAT32, "<u4": PointField.UINT32}


def cloud_message(cloud: Cloud, header: Header, is_dense: bool) -> PointCloud2:
    """Return a cloud [H, W] or [N] with its fields, little-endian and packed.

    is_dense: whether every point is finite.
    """
    height, width = cloud.shape if cloud.ndim == 2 else (1, cloud.shape[0])
    layout = cloud.dtype.fields
    assert layout is not None
    message = PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=[
            PointField(name=name, offset=offset, datatype=_DATATYPES[kind.str], count=1)
            for name, (kind, offset, *_) in layout.items()
        ],
        is_bigendian=False,
        point_step=cloud.dtype.itemsize,
        row_step=cloud.dtype.itemsize * width,
        is_dense=is_dense,
    )
    # As for images: the setter takes an array.array as it is, and copies all else slowly.
    data = array.array("B")
    if cloud.size:
        data.frombytes(np.ascontiguousarray(cloud).reshape(-1).view(np.uint8).data)
    message.data = data
    return message
