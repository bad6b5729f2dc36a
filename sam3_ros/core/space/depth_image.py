"""A depth image: how far along the camera's axis each pixel's surface is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize

Metres = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DepthImage:
    """Depth registered to the camera's picture. Raises SpaceError for another form.

    A value is z, the distance along the optical axis, not the length of the ray (REP 118). Its unit
    is that of its type. 0, NaN, infinite and negative values mean: not measured.
    """

    #: [H, W]: float32 in metres (32FC1) or uint16 in millimetres (16UC1).
    values: npt.NDArray[np.float32] | npt.NDArray[np.uint16]

    @classmethod
    def of_encoding(cls, values: npt.NDArray[np.generic], encoding: str) -> DepthImage:
        """Return the depth image of an array and its encoding: 16UC1, mono16 or 32FC1.

        Raises SpaceError for another encoding, and for an array of another type than it names.
        """
        raise NotImplementedError

    @property
    def size(self) -> ImageSize:
        """Of the image."""
        return ImageSize(*self.values.shape)

    @property
    def metres(self) -> Metres:
        """z in metres, float32 [H, W]; NaN where not measured. Computed once; do not write."""
        raise SpaceError
