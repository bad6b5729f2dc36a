"""How far an object's place can be trusted: remarks, a figure from 0 to 1, and a covariance."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sam3_ros.core.space.interior import Interior
from sam3_ros.core.space.spatial_object import DepthRemark, OrientedBox
from sam3_ros.core.space.surface import Surface

# Below them there is a remark: the share of the inside with a depth, and of that on the surface.
_HOLES, _SPREAD = 0.6, 0.7
# An object of so many pixels has half the trust of a large one.
_HALF_AT = 30
_CUT, _THIN = 0.6, 0.5


def remarks_of(surface: Surface, interior: Interior) -> tuple[DepthRemark, ...]:
    """Return what is to say of an object with a place, gravest first."""
    filled, on_surface = _shares(surface)
    said = (
        (DepthRemark.HOLES, filled < _HOLES),
        (DepthRemark.SPREAD, on_surface < _SPREAD),
        (DepthRemark.CUT, interior.cut),
        (DepthRemark.THIN, interior.rim == 0),
    )
    return tuple(remark for remark, holds in said if holds)


def quality_of(surface: Surface, interior: Interior) -> float:
    """Return 0 to 1: the product of what each remark is about, and of how many pixels there are."""
    filled, on_surface = _shares(surface)
    quality = filled * on_surface * surface.kept / (surface.kept + _HALF_AT)
    return quality * (_CUT if interior.cut else 1.0) * (_THIN if interior.rim == 0 else 1.0)


def covariance_of(
    surface: Surface, box: OrientedBox, quality: float, step: float
) -> npt.NDArray[np.float64]:
    """Return the covariance of the box's centre, float64 [3, 3], m^2: alike in all directions.

    step: distance between neighbouring points, m. The ends of a box are each wrong by about a point
    or by the noise that is left, and a part of the object may be missing.
    """
    missing = 0.04 * math.hypot(*box.size) / max(quality, 0.05)
    variance = step**2 + (0.5 * surface.noise) ** 2 + missing**2
    return np.eye(3) * (variance / 3)


def _shares(surface: Surface) -> tuple[float, float]:
    return surface.measured / surface.inside, surface.kept / surface.measured
