"""A camera's numbers from YAML: as camera_calibration writes them, or as a camera_info message.

camera_calibration's has image_width, image_height, camera_matrix and so on, each matrix with rows,
cols and data. A message's has height, width, k, d and so on, as `ros2 topic echo` prints it; ROS 1
wrote K and D.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sam3_ros.core.bounded_file import decoded, read_at_most
from sam3_ros.core.checked_yaml import MAX_BYTES, DocumentKind, parse_document
from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space.camera import PinholeCamera

_CAMERA = DocumentKind("the camera info", Path(__file__).with_name("camera.json"), SpaceError)
_END = "---"


def read_camera(path: Path, *, rectified: bool = False) -> PinholeCamera:
    """Read a camera. rectified: the picture is, so that the matrix P holds, and no lens.

    Raises SpaceError with the file, and the place in it.
    """
    try:
        text = decoded(read_at_most(path.expanduser(), MAX_BYTES))
    # ValueError: a NUL in the name, or not UTF-8. RuntimeError: ~ of an unknown user.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpaceError(f"the camera info {path} cannot be read: {reason}") from error
    document = parse_document(_first_message(text), _CAMERA, str(path)).value
    try:
        if "image_width" in document:
            return _of_calibration(document, rectified)
        return _of_message(document, rectified)
    except SpaceError as error:
        raise SpaceError(f"the camera info {path}: {error}") from error


def _first_message(text: str) -> str:
    """Return the first of several messages: `ros2 topic echo` ends each with a line of dashes."""
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if line.strip() and line.strip() != _END), 0)
    end = next((n for n in range(first, len(lines)) if lines[n].rstrip() == _END), len(lines))
    # The lines before stay, so that an error names the right one.
    return "\n".join([*("" for _ in lines[:first]), *lines[first:end]])


def _of_calibration(document: dict[str, Any], rectified: bool) -> PinholeCamera:
    return PinholeCamera.of_camera_info(
        (document["image_height"], document["image_width"]),
        document["camera_matrix"]["data"],
        frame=str(document.get("camera_name", "")),
        model=document.get("distortion_model", ""),
        d=document.get("distortion_coefficients", {}).get("data", ()),
        p=document.get("projection_matrix", {}).get("data", ()),
        rectified=rectified,
    )


def _of_message(document: dict[str, Any], rectified: bool) -> PinholeCamera:
    matrices = {name: document.get(name, document.get(name.upper(), ())) for name in "kdp"}
    roi = document.get("roi", {})
    return PinholeCamera.of_camera_info(
        (document["height"], document["width"]),
        matrices["k"],
        frame=str(document.get("header", {}).get("frame_id", "")),
        model=document.get("distortion_model", ""),
        d=matrices["d"],
        p=matrices["p"],
        rectified=rectified,
        binning=(document.get("binning_x", 0), document.get("binning_y", 0)),
        roi=tuple(roi.get(key, 0) for key in ("x_offset", "y_offset", "width", "height")),
    )
