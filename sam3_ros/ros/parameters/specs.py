"""What each parameter of the node is: its default, its meaning, which values it takes and when.

config/segmentation.yaml lists them for people; a test compares the two. Above 300 lines, because
it is one table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from sam3_ros.core.backends import BACKENDS
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.core.precision.repair import ON_FAILURE
from sam3_ros.core.tracking.settings import MOST_MEMORIES, TrackingSettings
from sam3_ros.ros.parameters.values import Default, ParameterError, mismatch, shown, taken


class Changes(Enum):
    """When a parameter may be set."""

    ANY_TIME = "any time"
    UNCONFIGURED = "while the node is unconfigured"
    AT_START = "only when the node starts"


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter."""

    name: str
    default: Default
    description: str
    changes: Changes = Changes.UNCONFIGURED
    #: The strings that it, or each of its strings, may be; empty for any.
    choices: tuple[str, ...] = ()
    #: The least and the greatest number.
    limits: tuple[float, float] | None = None

    def taken(self, value: object) -> Any:
        """Return the value in the parameter's type, a list for a tuple, within its limits.

        Raises ParameterError.
        """
        found = taken(self.name, self.default, value)
        self._check_limits(found)
        return found

    def check(self, value: object) -> None:
        """Raise ParameterError for a value of another type or outside of what is allowed."""
        if type(value) is not type(self.default):
            raise mismatch(self.name, self.default, value)
        for each in value if isinstance(value, tuple) else (value,):
            is_blank = isinstance(value, tuple) and not each  # what rclpy makes of an empty list
            if self.choices and each not in self.choices and not is_blank:
                raise ParameterError(
                    f"parameter '{self.name}' is {self._of_choices()}; got {shown(each)}"
                )
        self._check_limits(value)

    def _check_limits(self, value: object) -> None:
        if isinstance(value, (int, float)) and self.limits is not None:
            low, high = self.limits
            if not (math.isfinite(value) and low <= value <= high):
                raise ParameterError(
                    f"parameter '{self.name}' lies in {low:g}..{high:g}; got {value}"
                )

    def descriptor(self) -> ParameterDescriptor:
        """Return what rclpy declares the parameter with."""
        descriptor = ParameterDescriptor(
            description=self.description,
            read_only=self.changes is Changes.AT_START,
            additional_constraints=self.constraints(),
        )
        if self.limits is not None:
            low, high = self.limits
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=low, to_value=high)
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(low), to_value=int(high), step=1)
                ]
        return descriptor

    def constraints(self) -> str:
        """Return in words what a descriptor has no field for."""
        choices = f"{self._of_choices()}; " if self.choices else ""
        return f"{choices}may change {self.changes.value}"

    def _of_choices(self) -> str:
        number = "some" if isinstance(self.default, tuple) else "one"
        return f"{number} of {', '.join(self.choices)}"


DEFAULT_TRACKING = TrackingSettings()
OUTPUTS = (
    "mask", "confidence", "label_info", "detections", "scores", "segments", "tracks", "overlay",
    "debug/timing", "objects", "detections_3d", "objects_cloud", "points", "scene_cloud", "markers",
)  # fmt: skip
SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "bundle", "tabletop", "The model: the name of an embedded bundle, or a bundle's folder."
    ),
    ParameterSpec(
        "backend", "cpu", "What runs the model; one that is missing is an error, never replaced.",
        choices=BACKENDS,
    ),
    ParameterSpec(
        "precision", "fp32",
        "Which of the bundle's files to run, for example fp32 or fp16; or a way to compute with "
        "those in fp32: tf32 on a GPU, bf16 with openvino.",
    ),
    ParameterSpec(
        "machine_profile", "",
        "File that sam3-ros tune wrote for this bundle and machine, in place of backend and "
        "precision; empty for none.",
    ),
    ParameterSpec(
        "on_precision_failure", "refuse",
        "If backend or precision do not answer as fp32 on the CPU does: refuse to configure, or "
        "run the blamed stages in fp32 on the CPU.",
        choices=ON_FAILURE,
    ),
    ParameterSpec(
        "threads", 0,
        "Threads of the model on the CPU; 0 takes one for each core, or what the machine profile "
        "has. Images are resized by OpenCV's threads, one for each core.",
        limits=(0, 256),
    ),
    ParameterSpec(
        "device_id", 0, "Index of the GPU, where there are several.",
        limits=(0, 63),
    ),
    ParameterSpec(
        "cuda_graphs", False,
        "On a GPU: record what runs repeatedly in the same shapes, and replay it in one launch.",
    ),
    ParameterSpec(
        "engine_cache", "",
        "Folder for engines that a backend builds; empty is the user's cache folder, "
        "none keeps nothing.",
    ),
    ParameterSpec(
        "cameras", ("",),
        "Names of several cameras; each has its own topics, such as front/image and ~/front/mask.",
    ),
    ParameterSpec(
        "image_transport", "raw", "Subscribe to image (raw) or to image/compressed (compressed).",
        choices=("raw", "compressed"),
    ),
    ParameterSpec(
        "image_reliability", "auto",
        "QoS of the image subscription; auto is reliable unless a publisher of the images is best "
        "effort, which reaches no reliable subscription.",
        choices=("auto", "best_effort", "reliable"),
    ),
    ParameterSpec(
        "bit_depth", 0,
        "Bits that the camera puts into the 16 of mono16, bayer or rgb16, raw or compressed: 8 to "
        "16; 0 takes all 16.",
        Changes.ANY_TIME, limits=(0, 16),
    ),
    ParameterSpec(
        "max_megapixels", MAX_MEGAPIXELS,
        "Millions of pixels that an image may have, by its header; a larger one is dropped before "
        "it is decoded. Colours of 16 bits count twice.",
        Changes.ANY_TIME, limits=(0.001, 1000.0),
    ),
    ParameterSpec(
        "prompts", ("",),
        "Texts and prompts in YAML, such as {point: [320, 240], tracking: true}, to ask from the "
        "start; setting it replaces them and the texts in use.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "keep_prompts", False,
        "Keep what is asked in a file below $ROS_HOME or ~/.ros, and ask it again after a "
        "restart.",
    ),
    ParameterSpec(
        "score_threshold", 0.0, "Lowest score of a text's answers; 0 takes the bundle's own.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "mask_encoding", "mono8", "~/mask has a value per prompt (mono8) or per object (mono16).",
        Changes.ANY_TIME, choices=("mono8", "mono16"),
    ),
    ParameterSpec(
        "click_seconds", 1.0,
        "Seconds, by the images' stamps, that a click or box from ~/prompt/point or ~/prompt/box "
        "lasts; 0 keeps it until it is replaced.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "tracking", False,
        "Track what plain texts of prompts, ~/prompt/text, point, click and box find: an object "
        "keeps its id from frame to frame. For what is asked from then on.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "tracking_least_score", DEFAULT_TRACKING.least_score,
        "Score of a tracked object's mask below which it is not seen.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "redetect_every", DEFAULT_TRACKING.redetect_every,
        "A tracked text is searched for in every so many answered frames; between them its objects "
        "are only followed, which costs less.",
        Changes.ANY_TIME, limits=(1, 10_000),
    ),
    ParameterSpec(
        "max_objects", DEFAULT_TRACKING.max_objects,
        "Objects of a camera that are tracked at a time; more are refused.",
        Changes.ANY_TIME, limits=(1, 10_000),
    ),
    ParameterSpec(
        "memory_frames", DEFAULT_TRACKING.memory_frames,
        "Past frames in the memory of a tracked object, where the bundle has one; fewer are faster "
        "and take less memory.",
        Changes.ANY_TIME, limits=(1, MOST_MEMORIES),
    ),
    ParameterSpec(
        "keep_apart", DEFAULT_TRACKING.keep_apart,
        "Do not believe that a tracked object came to the place of another, where the bundle says "
        "from which overlap on; false: objects have no say in each other's answers.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "tracking_gap_s", 10.0,
        "Seconds between two answered images of a camera after which its tracked objects end, as "
        "they may have become others; 0 never ends them.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "depth", False,
        "Take depth that is registered to the camera, from depth and camera_info, and publish what "
        "is found in space.",
    ),
    ParameterSpec(
        "depth_transport", "raw",
        "Subscribe to depth (raw) or to depth/compressedDepth (compressedDepth).",
        choices=("raw", "compressedDepth"),
    ),
    ParameterSpec(
        "depth_rectified", False,
        "The camera's images and depth are rectified, as image_rect is: the matrix P of "
        "camera_info holds, and no lens.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "depth_tolerance", 0.02,
        "Seconds that the stamps of an image and of its depth may differ; of several the nearest "
        "is taken. 0 takes equal stamps only.",
        Changes.ANY_TIME, limits=(0.0, 10.0),
    ),
    ParameterSpec(
        "depth_wait_s", 0.5,
        "Seconds that an answer waits for depth that comes later than the answer; mask and scores "
        "never wait.",
        Changes.ANY_TIME, limits=(0.0, 10.0),
    ),
    ParameterSpec(
        "depth_smoothing", False,
        "Smooth the places of tracked objects by a filter of constant velocity; for a moving "
        "camera with a target_frame that stands still.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "target_frame", "",
        "Frame of what is published in space, by tf2 at the image's stamp; empty is the camera's.",
    ),
    ParameterSpec(
        "target_frame_wait_s", 0.1,
        "Seconds to wait for the transform to target_frame; the next image waits with it.",
        Changes.ANY_TIME, limits=(0.0, 10.0),
    ),
    ParameterSpec(
        "outputs", OUTPUTS,
        "The topics to publish while they have a subscriber; mask and overlay stand for their "
        "compressed ones too. Those from objects on are in space, and need depth.",
        Changes.ANY_TIME, choices=OUTPUTS,
    ),
    ParameterSpec(
        "max_rate", 0.0, "Frames of a camera to answer per second at most; 0 sets no limit.",
        Changes.ANY_TIME, limits=(0.0, 1000.0),
    ),
    ParameterSpec(
        "clock_jump_s", 1.0,
        "An image whose stamp is more seconds behind the latest one means that the camera's clock "
        "jumped back; less is disorder.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "frame_memory", 8,
        "Frames of each camera that are kept, so that a click can name one by its stamp.",
        Changes.ANY_TIME, limits=(1, 1000),
    ),
    ParameterSpec(
        "frame_memory_mb", 1024,
        "MiB that the kept frames may take together; the newest of each camera always stays.",
        Changes.ANY_TIME, limits=(0, 1_000_000),
    ),
    ParameterSpec(
        "latency_warn_ms", 0.0,
        "p95 latency, camera to mask, above which /diagnostics warns; 0 never does.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "latency_error_ms", 0.0, "The same for an error.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "silence_warn_s", 2.0,
        "Seconds without an image of a camera after which /diagnostics warns; 0 never does.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "silence_error_s", 10.0, "The same for an error.",
        Changes.ANY_TIME, limits=(0.0, 1e6),
    ),
    ParameterSpec(
        "failed_warn", 0.0,
        "Share of failed frames since the last message above which "
        "/diagnostics warns.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "failed_error", 0.5, "The same for an error.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "lost_warn", 0.05,
        "Share of a camera's images that did not arrive in the last ten seconds, by the gaps "
        "between their stamps, above which /diagnostics warns; 1 never does.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "autostart", True, "Configure and activate at the start, without a lifecycle manager.",
        Changes.AT_START,
    ),
    ParameterSpec(
        "build_only", False, "Load the model, build what its backend builds, and exit.",
        Changes.AT_START,
    ),
    ParameterSpec(
        "diagnostics_period", 1.0, "Seconds between two messages on /diagnostics.",
        Changes.AT_START, limits=(0.1, 60.0),
    ),
)  # fmt: skip
DEFAULTS = {spec.name: spec.default for spec in SPECS}
