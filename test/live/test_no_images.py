"""Why no image arrives is said from what the graph shows."""

from __future__ import annotations

import pytest

from sam3_ros.live.no_images import Publication, Wanted, why_no_image

IMAGE, JPEG = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
RAW = Wanted("/camera/image_raw", IMAGE, reliable=False)
COMPRESSED = Wanted("/camera/image_raw/compressed", JPEG, reliable=False)


@pytest.mark.parametrize(
    ("want", "published", "words"),
    [
        (RAW, [], ["nobody publishes /camera/image_raw", "no image topic", "ROS_DOMAIN_ID=7"]),
        (
            RAW,
            [Publication("/front/image", IMAGE), Publication("/chatter", "std_msgs/msg/String")],
            ["nobody publishes", "/front/image (sensor_msgs/msg/Image)", "image:=/front/image"],
        ),
        (
            RAW,
            [Publication("/front/image/compressed", JPEG)],
            ["image:=/front/image transport:=compressed"],
        ),
        (RAW, [Publication("/camera/image_raw/compressed", JPEG)], ["transport:=compressed"]),
        (COMPRESSED, [Publication("/camera/image_raw", IMAGE)], ["transport:=raw"]),
        (
            RAW,
            [Publication("/camera/image_raw", JPEG)],
            ["is published as sensor_msgs/msg/CompressedImage", "takes sensor_msgs/msg/Image"],
        ),
        (
            RAW,
            [Publication("/camera/image_raw", IMAGE, ("driver",))],
            ["driver publishes /camera/image_raw", "no image has come", "fastdds.xml"],
        ),
        (
            Wanted("/camera/image_raw", IMAGE, reliable=True),
            [Publication("/camera/image_raw", IMAGE, ("driver",), reliable=False)],
            ["driver publishes /camera/image_raw best effort", "reliability:=auto"],
        ),
    ],
)
def test_the_reason_and_the_remedy_are_named(monkeypatch, want, published, words):
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    reason = why_no_image(want, published)
    assert [word for word in words if word not in reason] == [], reason
