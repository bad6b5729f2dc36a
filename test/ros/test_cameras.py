"""The names of cameras, and which are refused."""

from __future__ import annotations

import pytest

from sam3_ros.ros.cameras import MOST_CAMERAS, CameraNameError, Cameras


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["front", "front"], "expected different names, got front, front"),
        (["a/b"], "begins with a letter and is none of .*; got 'a/b'"),
        (["prompt"], "is none of debug, image, prompt; got 'prompt'"),
        ([f"c{number}" for number in range(100_000)], "at most 64 cameras, got 100000"),
        (["a" * 10**6], "at most 200 characters, got 1000000"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_cannot_be_cameras_is_refused(names, reason):
    with pytest.raises(CameraNameError, match=reason) as caught:
        Cameras.named(names)
    assert len(str(caught.value)) < 300


def test_as_many_as_there_may_be():
    assert len(Cameras.named([f"c{number}" for number in range(MOST_CAMERAS)])) == MOST_CAMERAS


def test_a_name_of_megabytes_that_is_not_found_is_shown_cut():
    with pytest.raises(CameraNameError, match=r"there is no camera 'a{200}\.\.\.'; the") as caught:
        Cameras.named(["front"]).find("a" * 10**6)
    assert len(str(caught.value)) < 300
