"""What is suspicious about a camera's images: too dark, empty, or of fewer bits than they state."""

from __future__ import annotations

from typing import Any

from sam3_ros.core.images.levels import Levels, finding_on
from sam3_ros.ros.throttled_log import THROTTLED


class ImageWatch:
    """Keeps the finding on each camera's last image; for the inference thread, read by any."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._findings: dict[str, str] = {}
        #: By camera, which value was white, and the highest value since it was that.
        self._highest: dict[str, tuple[int, int]] = {}

    def see(self, camera: str, levels: Levels) -> None:
        """Judge an image; warn in the log where something is to be said."""
        white, highest = self._highest.get(camera, (levels.white, 0))
        if white != levels.white:
            highest = 0
        # A dark image of a camera that has sent brighter ones says nothing about its bits.
        highest = max(highest, levels.highest)
        self._highest[camera] = levels.white, highest
        finding = finding_on(levels, _remedy, highest)
        self._findings[camera] = finding
        if finding:
            self._logger.warning(f"images of {camera or 'the camera'}: {finding}", **THROTTLED)

    def finding(self, camera: str) -> str:
        """Return what is to be said of the camera's last image; empty if nothing is."""
        return self._findings.get(camera, "")


def _remedy(bits: int) -> str:
    return f"set the parameter bit_depth: {bits}"
