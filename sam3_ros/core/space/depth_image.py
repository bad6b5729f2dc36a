"""A depth image: how far along the camera's axis each pixel's surface is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize

Metres = npt.NDArray[np.float32]

_TYPES = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
# Half of a picture's float32 depth beyond it, in "metres", is millimetres: no depth camera sees so
# far. REP 118 asks for metres.
_TOO_FAR = 200.0
_SAMPLED = 16
# What is measured lies between, m: no camera sees nearer or farther, and numbers would overflow.
_NEAREST, _FARTHEST = np.float32(0.0005), np.float32(10_000.0)


@dataclass(frozen=True, eq=False)
class DepthImage:
    """Depth registered to the camera's picture. Raises SpaceError for another form.

    A value is z, the distance along the optical axis, not the length of the ray (REP 118). Its unit
    is that of its type. 0, NaN, infinite and negative values mean: not measured; so do values that
    no camera measures, below half a millimetre or beyond 10 km.
    """

    #: [H, W]: float32 in metres (32FC1) or uint16 in millimetres (16UC1).
    values: npt.NDArray[np.float32] | npt.NDArray[np.uint16]

    def __post_init__(self) -> None:
        values = self.values
        expected = "expected a depth image uint16 [H, W] in millimetres or float32 [H, W] in metres"
        # A masked array's own functions would forget its mask: what it hides would be measured.
        if not isinstance(values, np.ndarray) or isinstance(values, np.ma.MaskedArray):
            raise SpaceError(f"{expected}, as a numpy.ndarray, got a {type(values).__name__}")
        if values.ndim != 2 or 0 in values.shape or values.dtype not in (np.uint16, np.float32):
            raise SpaceError(f"{expected}, got {values.dtype} {list(values.shape)}")
        if values.dtype == np.float32:
            self._refuse_other_units()

    @classmethod
    def of_encoding(cls, values: npt.NDArray[np.generic], encoding: str) -> DepthImage:
        """Return the depth image of an array and its encoding: 16UC1, mono16 or 32FC1.

        Raises SpaceError for another encoding, and for an array of another type than it names.
        """
        if encoding not in _TYPES:
            raise SpaceError(
                "expected depth as 16UC1 (millimetres) or 32FC1 (metres), got the encoding "
                f"{encoding!r}"
            )
        if values.dtype != _TYPES[encoding]:
            raise SpaceError(
                f"depth of the encoding {encoding} is {np.dtype(_TYPES[encoding])}, "
                f"got {values.dtype}"
            )
        return cls(values)  # type: ignore[arg-type]

    @property
    def size(self) -> ImageSize:
        """Of the image."""
        return ImageSize(*self.values.shape)

    @cached_property
    def metres(self) -> Metres:
        """z in metres, float32 [H, W]; NaN where not measured. Computed once; do not write."""
        values = self.values
        metres: Metres = values.astype(np.float32)
        if values.dtype == np.uint16:
            metres *= np.float32(0.001)
        unmeasured = ~((metres >= _NEAREST) & (metres <= _FARTHEST))
        np.copyto(metres, np.nan, where=unmeasured)
        metres.setflags(write=False)
        return metres

    def _refuse_other_units(self) -> None:
        some = _measured(self.values[::_SAMPLED, ::_SAMPLED])
        if not some.size:  # as of a projected lidar: few pixels have a depth
            some = _measured(self.values)
        median = float(np.median(some)) if some.size else 0.0
        if median > _TOO_FAR:
            raise SpaceError(
                f"depth as float32 is in metres, and half of this image is beyond {median:g} m. If "
                "these are millimetres, publish them as 16UC1, or divide them by 1000"
            )
        if 0 < median < _NEAREST:
            raise SpaceError(
                f"depth as float32 is in metres, and half of this image is nearer than {median:g} "
                "m: its bytes may be in the other order than its flag is_bigendian says"
            )


def _measured(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return those above 0 and finite."""
    return values[(values > 0) & (values < np.inf)]
