"""Promptable segmentation for ROS 2: ask a camera image for a word, a point or a box.

The library in five lines, without ROS:

    from sam3_ros import Segmenter
    with Segmenter.load("tabletop") as segmenter:
        for segment in segmenter.segment(image_rgb, "red cube"):
            print(segment.label, segment.score, segment.box)
"""

from __future__ import annotations

import os
from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

# The generated messages are in a second folder with the same package name; this merges the two.
__path__ = extend_path(__path__, __name__)

# ONNX Runtime (1.32 and others) collects telemetry, under Linux too, unless this is set before it
# is loaded. Whoever wants it sets the variable.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.errors import Sam3RosError
    from sam3_ros.core.geometry import Box
    from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
    from sam3_ros.core.segmenter.segmenter import Segmenter
    from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
    from sam3_ros.core.space.camera import PinholeCamera
    from sam3_ros.core.space.depth_image import DepthImage
    from sam3_ros.core.space.lift import lift
    from sam3_ros.core.space.spatial_object import SpatialObject
    from sam3_ros.core.tracking.answers import TrackedFrame
    from sam3_ros.core.tracking.events import TrackEvent
    from sam3_ros.core.tracking.mask_prompt import MaskPrompt
    from sam3_ros.core.tracking.session import TrackingSession
    from sam3_ros.core.tracking.settings import TrackingSettings

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Bundle",
    "ConceptPrompt",
    "DepthImage",
    "InteractivePrompt",
    "MaskPrompt",
    "PinholeCamera",
    "Sam3RosError",
    "Segment",
    "Segmenter",
    "SpatialObject",
    "TrackEvent",
    "TrackState",
    "TrackStatus",
    "TrackedFrame",
    "TrackingSession",
    "TrackingSettings",
    "lift",
]

# Importing a message module must not load OpenCV and ONNX Runtime, so names are resolved when they
# are first used.
_HOME = {
    "Box": "sam3_ros.core.geometry",
    "Bundle": "sam3_ros.core.bundle.bundle",
    "ConceptPrompt": "sam3_ros.core.segmenter.prompts",
    "DepthImage": "sam3_ros.core.space.depth_image",
    "InteractivePrompt": "sam3_ros.core.segmenter.prompts",
    "MaskPrompt": "sam3_ros.core.tracking.mask_prompt",
    "PinholeCamera": "sam3_ros.core.space.camera",
    "Sam3RosError": "sam3_ros.core.errors",
    "Segment": "sam3_ros.core.segmenter.segments",
    "Segmenter": "sam3_ros.core.segmenter.segmenter",
    "SpatialObject": "sam3_ros.core.space.spatial_object",
    "TrackEvent": "sam3_ros.core.tracking.events",
    "TrackState": "sam3_ros.core.segmenter.segments",
    "TrackStatus": "sam3_ros.core.segmenter.segments",
    "TrackedFrame": "sam3_ros.core.tracking.answers",
    "TrackingSession": "sam3_ros.core.tracking.session",
    "TrackingSettings": "sam3_ros.core.tracking.settings",
    "lift": "sam3_ros.core.space.lift",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
