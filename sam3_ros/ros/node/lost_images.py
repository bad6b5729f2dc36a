"""What to do where images do not arrive: it depends on how they travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros.frames.image_subscription import AUTO
from sam3_ros.ros.launching.dds import fastdds_profile, is_fast_dds, profile_variable

_COMPRESSED = "set image_transport to compressed, if the driver publishes that"


def remedy(
    environment: Mapping[str, str],
    compressed: bool,
    reliability: str,
    is_reliable: bool,
    publishers: Sequence[bool],
    were_sent: bool,
) -> str:
    """Return what to do.

    compressed: image_transport. reliability: image_reliability. is_reliable: what became of it.
    publishers: of each publisher of the images, whether it is reliable.
    were_sent: whether images that are missing were sent; otherwise their stamps alone are missing.
    """
    if not were_sent:
        return (
            "they were not sent to this node: look at the rate at which the camera driver takes "
            "them, and at what passes them on"
        )
    best_effort = not all(publishers)
    if is_reliable and best_effort and reliability != AUTO:
        return (
            "its publisher is best effort, which reaches no reliable subscription: set "
            "image_reliability to auto"
        )
    if not is_reliable and not best_effort and reliability != AUTO:
        return "a best effort subscription loses large images: set image_reliability to auto"
    if compressed:
        return "compressed images are small: look at the network, and at what the driver sends"
    if not is_fast_dds(environment):
        return (
            f"{_COMPRESSED}, or raise the limits of the system's socket buffers as the "
            "documentation of the ROS middleware says"
        )
    qos = ", or with reliable QoS, because best effort loses large images" if best_effort else ""
    driver = f"start the camera driver with {profile_variable(environment)}={_profile()}"
    return f"unless it is so already, {driver}{qos}; or {_COMPRESSED}"


def _profile() -> str:
    try:
        return str(fastdds_profile())
    except Sam3RosError:  # an odd install; the repository has it
        return "config/fastdds.xml"
