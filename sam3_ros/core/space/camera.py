"""The camera that a picture and its depth come from: a pinhole with lens distortion.

Frame: the optical frame of REP 103: x right, y down, z forward. Pixel centres lie at whole numbers
here, as in sensor_msgs/CameraInfo and OpenCV, which is half a pixel from this package's boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize


class Distortion(str, Enum):
    """The lens models that are known, by their names in sensor_msgs/CameraInfo."""

    #: k1, k2, p1, p2[, k3] of Brown and Conrady.
    PLUMB_BOB = "plumb_bob"
    #: k1, k2, p1, p2, k3, k4, k5, k6.
    RATIONAL_POLYNOMIAL = "rational_polynomial"

    def __str__(self) -> str:
        return self.value


# No camera has others, px; beyond them the arithmetic overflows.
_LEAST_FOCAL, _MOST_PX = 0.01, 1e7
# Of the picture's side: 175 degrees from edge to edge. K of a picture whose sides are 1 has less.
_LEAST_OF_SIDE = 0.02
_COEFFICIENTS = {Distortion.PLUMB_BOB: (4, 5), Distortion.RATIONAL_POLYNOMIAL: (8,)}


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of the picture that masks and depth belong to. Raises SpaceError for nonsense."""

    #: Focal lengths and principal point, px.
    fx: float
    fy: float
    cx: float
    cy: float
    #: Of the picture that fx, fy, cx and cy speak of.
    size: ImageSize
    #: Name of the optical frame, for the answers.
    frame: str = ""
    model: Distortion = Distortion.PLUMB_BOB
    #: Of the lens, in the model's order; () or zeros for none. A rectified picture has none.
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        model = _model_named(self.model)
        try:
            height, width = map(int, self.size)
            coefficients = _of_model(model, [float(value) for value in self.coefficients])
            four = {name: float(getattr(self, name)) for name in ("fx", "fy", "cx", "cy")}
        except (TypeError, ValueError, OverflowError) as error:
            raise SpaceError(
                "a camera has numbers for fx, fy, cx, cy and coefficients, and a size (height, "
                f"width): {error}"
            ) from error
        numbers = (*four.values(), *coefficients)
        kept = {"size": ImageSize(height, width), "model": model, "coefficients": coefficients}
        for name, value in (four | kept).items():
            object.__setattr__(self, name, value)
        if not all(math.isfinite(value) for value in numbers):
            raise SpaceError(f"a camera's numbers must be finite, got {list(numbers)}")
        if not all(_LEAST_FOCAL <= focal <= _MOST_PX for focal in (self.fx, self.fy)):
            raise SpaceError(
                "a camera's focal lengths must be above 0 px, from "
                f"{_LEAST_FOCAL:g} to {_MOST_PX:g}, got fx={self.fx:g}, fy={self.fy:g}: is the "
                "camera calibrated? An uncalibrated driver publishes zeros"
            )
        if max(abs(self.cx), abs(self.cy)) > _MOST_PX:
            raise SpaceError(
                f"a camera's middle lies near its picture, got cx={self.cx:g}, cy={self.cy:g} px"
            )
        if min(self.size) < 1:
            raise SpaceError(f"a camera's picture has a size, got {tuple(self.size)}")
        if self.fx < _LEAST_OF_SIDE * width or self.fy < _LEAST_OF_SIDE * height:
            raise SpaceError(
                f"a camera's focal lengths are in px, got fx={self.fx:g}, fy={self.fy:g} for a "
                f"picture of {width}x{height} px, which would see 175 degrees and more"
            )
        if coefficients and len(coefficients) not in _COEFFICIENTS[model]:
            known = " or ".join(str(count) for count in _COEFFICIENTS[model])
            raise SpaceError(
                f"the lens model {model} has {known} coefficients, got {len(coefficients)}; with "
                "others, rectify the picture and its depth, and say that it is rectified"
            )

    @classmethod
    def of_camera_info(
        cls,
        size: tuple[int, int],
        k: Sequence[float],
        *,
        frame: str = "",
        model: str = "",
        d: Sequence[float] = (),
        p: Sequence[float] = (),
        rectified: bool = False,
        binning: tuple[int, int] = (0, 0),
        roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> PinholeCamera:
        """Return the camera of a sensor_msgs/CameraInfo, given as plain numbers.

        size: (height, width) of the full sensor, as the message has it. k: 9, row by row; p: 12.
        rectified: the picture is `image_rect`: p's focal lengths and middle hold, and no lens.
        binning: (x, y); 0 means 1. roi: (x_offset, y_offset, width, height); zeros: all of it.
        Raises SpaceError.
        """
        height, width = size
        across, down = (max(int(step), 1) for step in binning)
        left, top, columns, rows = (int(edge) for edge in roi)
        if (columns, rows) == (0, 0):
            columns, rows = width - left, height - top
        if left < 0 or top < 0 or left + columns > width or top + rows > height:
            raise SpaceError(
                f"the camera's region {columns}x{rows} px at ({left}, {top}) does not lie in its "
                f"picture of {width}x{height} px"
            )
        fx, fy, cx, cy = _of_projection(p) if rectified else _of_intrinsics(k)
        return cls(
            fx / across,
            fy / down,
            (cx - left + 0.5) / across - 0.5,
            (cy - top + 0.5) / down - 0.5,
            ImageSize(rows // down, columns // across),
            frame,
            _model_named(model) if not rectified else Distortion.PLUMB_BOB,
            () if rectified else _used(d),
        )

    def scaled_to(self, size: tuple[int, int]) -> PinholeCamera:
        """Return the camera of the same picture at another size (height, width)."""
        height, width = size
        if min(size) < 1:
            raise SpaceError(f"a picture has a size, got {tuple(size)}")
        x, y = width / self.size.width, height / self.size.height
        return replace(
            self,
            fx=self.fx * x,
            fy=self.fy * y,
            cx=(self.cx + 0.5) * x - 0.5,
            cy=(self.cy + 0.5) * y - 0.5,
            size=ImageSize(height, width),
        )


def _of_intrinsics(k: Sequence[float]) -> tuple[float, float, float, float]:
    if len(k) != 9:
        raise SpaceError(f"a camera's matrix K has 9 numbers, row by row, got {len(k)}")
    if any((k[3], k[6], k[7])):
        raise SpaceError(
            "a camera's matrix K is fx, 0, cx, 0, fy, cy, 0, 0, 1, row by row, got "
            f"{', '.join(f'{value:g}' for value in k)}: is it column by column?"
        )
    return float(k[0]), float(k[4]), float(k[2]), float(k[5])


def _of_projection(p: Sequence[float]) -> tuple[float, float, float, float]:
    if len(p) != 12:
        raise SpaceError(
            "a rectified picture needs the camera's projection matrix P, 12 numbers row by row, "
            f"got {len(p)}"
        )
    return float(p[0]), float(p[5]), float(p[2]), float(p[6])


def _used(d: Sequence[float]) -> tuple[float, ...]:
    """Return the coefficients, or none where all are 0: whatever the model, there is no lens."""
    return tuple(d) if any(d) else ()


def _of_model(model: Distortion, given: list[float]) -> tuple[float, ...]:
    """Return the coefficients without what is beyond the model's own and 0.

    OpenCV writes 12 or 14 of the rational model; the others are of thin prisms and tilted sensors.
    """
    most = max(_COEFFICIENTS[model])
    return tuple(given if any(given[most:]) else given[:most])


def _model_named(name: str) -> Distortion:
    try:
        return Distortion(name or Distortion.PLUMB_BOB)
    except ValueError:
        known = ", ".join(model.value for model in Distortion)
        raise SpaceError(
            f"unknown lens model {name!r}; known are {known}. Rectify the picture and its depth "
            "(image_proc), and say that it is rectified"
        ) from None
