"""Which sizes of masks, depth and camera fit each other.

Depth that is registered to a picture has the picture's size, or, where a driver registers to a
smaller grid, one depth pixel for k x k of the picture's, k the same along both axes. Any other pair
of sizes means that the two are not registered, or cropped: guessing would move every object.
"""

from __future__ import annotations

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.space.camera import PinholeCamera


def pixels_per_depth(picture: ImageSize, depth: ImageSize) -> int:
    """Return how many pixels of the picture a depth pixel is wide: 1, or more for smaller depth.

    Raises SpaceError where there is no such whole number.
    """
    factor = _factor(picture, depth)
    if factor is None:
        raise SpaceError(
            f"the depth image is {_words(depth)} and the picture {_words(picture)}: expected one "
            "size, or depth smaller by the same whole factor both ways. Register the depth to the "
            "camera (depth_image_proc, or the driver's aligned depth)"
        )
    return factor


def camera_of_size(camera: PinholeCamera, size: ImageSize) -> PinholeCamera:
    """Return the camera for a picture of this size. Raises SpaceError unless by a whole factor."""
    if camera.size == size:
        return camera
    if _factor(camera.size, size) is None and _factor(size, camera.size) is None:
        raise SpaceError(
            f"the camera's calibration is for {_words(camera.size)} and the picture is "
            f"{_words(size)}: expected one size, or one a whole multiple of the other. Use the "
            "camera_info that is published beside the picture"
        )
    return camera.scaled_to(size)


def _factor(larger: ImageSize, smaller: ImageSize) -> int | None:
    factor = larger.width // smaller.width
    fits = factor > 0 and larger == (smaller.height * factor, smaller.width * factor)
    return factor if fits else None


def _words(size: ImageSize) -> str:
    return f"{size.width}x{size.height} px"
