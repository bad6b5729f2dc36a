"""Which images are rectified, by the names of their topics."""

from __future__ import annotations

import pytest

from sam3_ros.ros.depth.registered import is_named_rectified


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color", True),
        ("/zed/rgb/rect/image", True),
        ("/left/image_rectified", True),
        ("/camera/image_raw", False),
        ("/direct/image", False),
        ("/rectangle/image", False),
    ],
)
def test_rectified_images_are_known_by_their_name(topic: str, expected: bool) -> None:
    assert is_named_rectified(topic) is expected
