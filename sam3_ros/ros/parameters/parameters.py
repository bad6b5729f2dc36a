"""Every parameter of the node: its default, what it means, what it may be, when it may change.

config/segmentation.yaml lists them for people; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from sam3_ros.core.backends import BACKENDS
from sam3_ros.core.errors import ProfileError, PromptError
from sam3_ros.core.precision.repair import ON_FAILURE, OnFailure
from sam3_ros.core.profile.configured_plan import ConfiguredPlan
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.ros.cameras import CameraNameError, Cameras
from sam3_ros.ros.parameters.spec import Changes, ParameterError, ParameterSpec
from sam3_ros.ros.prompts.entries import PromptEntries, read_prompt_entries
from sam3_ros.ros.prompts.requests import ClickSettings

OUTPUTS = (
    "mask", "confidence", "label_info", "detections", "scores", "segments", "overlay",
    "debug/timing",
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
        "precision", "fp32", "Which of the bundle's files to run, for example fp32 or fp16."
    ),
    ParameterSpec(
        "machine_profile", "",
        "File that sam3-ros tune wrote for this bundle and machine, in place of backend and "
        "precision; empty for none.",
    ),
    ParameterSpec(
        "on_precision_failure", "refuse",
        "Where backend or precision do not answer as fp32 on the CPU does: refuse to configure, or "
        "run the guilty stages in fp32 on the CPU.",
        choices=ON_FAILURE,
    ),
    ParameterSpec(
        "threads", 0,
        "Threads of the model on the CPU; 0 takes one for each core, or what the machine profile "
        "has. Images are resized by OpenCV's threads, one for each core.",
        limits=(0, 256),
    ),
    ParameterSpec(
        "device_id", 0, "Which GPU, where there are several.",
        limits=(0, 63),
    ),
    ParameterSpec(
        "cuda_graphs", False,
        "On a GPU: record what runs in the same shapes again, and replay it in one launch.",
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
        "image_reliability", "best_effort",
        "Of the image subscription; reliable needs a camera driver that publishes reliably.",
        choices=("best_effort", "reliable"),
    ),
    ParameterSpec(
        "prompts", ("",),
        "Texts and prompts in YAML, such as {point: [320, 240], sticky: true}, to ask from the "
        "start; setting it replaces them and the texts in use.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "score_threshold", 0.0, "Least score of a text's answers; 0 takes the bundle's own.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "mask_encoding", "mono8", "~/mask has a value per prompt (mono8) or per object (mono16).",
        Changes.ANY_TIME, choices=("mono8", "mono16"),
    ),
    ParameterSpec(
        "click_frames", 1,
        "Answered frames that a click or box from ~/prompt/point or ~/prompt/box lasts; "
        "0 keeps it until it is replaced.",
        Changes.ANY_TIME, limits=(0, 1_000_000),
    ),
    ParameterSpec(
        "sticky_clicks", False,
        "Follow what a click or box from ~/prompt/point or ~/prompt/box has marked, frame by "
        "frame.",
        Changes.ANY_TIME,
    ),
    ParameterSpec(
        "sticky_least_score", 0.5,
        "A followed object whose score falls below is lost, and its prompt dropped.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "outputs", OUTPUTS, "The topics that are worked for, while they have a subscriber.",
        Changes.ANY_TIME, choices=OUTPUTS,
    ),
    ParameterSpec(
        "max_rate", 0.0, "Most frames of a camera that are answered in a second; 0 sets no limit.",
        Changes.ANY_TIME, limits=(0.0, 1000.0),
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
        "latency_warn_ms", 0.0, "p95 camera to mask above which /diagnostics warns; 0 never does.",
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
        "Share of the frames since the last message that could not be answered, above which "
        "/diagnostics warns.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "failed_error", 0.5, "The same for an error.",
        Changes.ANY_TIME, limits=(0.0, 1.0),
    ),
    ParameterSpec(
        "autostart", True, "Configure and activate at the start, without a lifecycle manager.",
        Changes.AT_START,
    ),
    ParameterSpec(
        "build_only", False, "Load the model, building what its backend builds, and end.",
        Changes.AT_START,
    ),
    ParameterSpec(
        "diagnostics_period", 1.0, "Seconds between two messages on /diagnostics.",
        Changes.AT_START, limits=(0.1, 60.0),
    ),
)  # fmt: skip
_SPEC_OF = {spec.name: spec for spec in SPECS}
DEFAULTS = {spec.name: spec.default for spec in SPECS}
_LISTS = tuple(spec.name for spec in SPECS if isinstance(spec.default, tuple))


@dataclass(frozen=True)
class NodeConfiguration:
    """The parameters as one checked whole. Raises ParameterError."""

    bundle: str
    backend: str
    precision: str
    machine_profile: str
    on_precision_failure: OnFailure
    threads: int
    device_id: int
    cuda_graphs: bool
    engine_cache: str
    cameras: tuple[str, ...]
    image_transport: str
    image_reliability: str
    prompts: tuple[str, ...]
    score_threshold: float
    mask_encoding: str
    click_frames: int
    sticky_clicks: bool
    sticky_least_score: float
    outputs: tuple[str, ...]
    max_rate: float
    frame_memory: int
    frame_memory_mb: int
    latency_warn_ms: float
    latency_error_ms: float
    silence_warn_s: float
    silence_error_s: float
    failed_warn: float
    failed_error: float
    autostart: bool
    build_only: bool
    diagnostics_period: float

    def __post_init__(self) -> None:
        for field in fields(self):
            _SPEC_OF[field.name].check(getattr(self, field.name))
        try:
            self.prompt_entries()
        except PromptError as error:
            raise ParameterError(f"parameter 'prompts': {error}") from error
        try:
            self.camera_set()
        except CameraNameError as error:
            raise ParameterError(f"parameter 'cameras': {error}") from error

        try:
            self.configured_plan()
        except ProfileError as error:
            raise ParameterError(f"parameter 'machine_profile': {error}") from error

    def configured_plan(self) -> ConfiguredPlan:
        """What is to run the bundle."""
        return ConfiguredPlan(
            StageChoice(self.backend, self.precision),
            self.threads or None,
            self.device_id,
            Path(self.machine_profile) if self.machine_profile else None,
        )

    def camera_set(self) -> Cameras:
        """The cameras of `cameras`: one without a name if it has none."""
        return Cameras.named(self.cameras)

    def prompt_entries(self) -> PromptEntries:
        """What `prompts` asks; blank entries count for nothing."""
        return read_prompt_entries(self.prompts)

    def click_settings(self) -> ClickSettings:
        """Return how long a click on ~/prompt/point or a box on ~/prompt/box lasts."""
        return ClickSettings(self.sticky_clicks, self.click_frames)


def declare_parameters(node: Node) -> None:
    """Declare them all.

    rclpy raises InvalidParameter... for a value of a wrong type or range; ParameterError for an
    empty list where no list is expected.
    """
    for spec in SPECS:
        default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        declared = node.declare_parameter(spec.name, default, spec.descriptor())
        # An empty list in a YAML file has no type, and rclpy leaves the parameter without a value.
        if declared.type_ is Parameter.Type.NOT_SET:
            if not isinstance(spec.default, tuple):
                raise ParameterError(
                    f"parameter '{spec.name}' expects {type(default).__name__}, got an empty list"
                )
            node.set_parameters([Parameter(spec.name, value=default)])


def read_configuration(node: Node) -> NodeConfiguration:
    """What is set now. Raises ParameterError."""
    return configuration({name: node.get_parameter(name).value for name in DEFAULTS})


def configuration(values: Mapping[str, Any]) -> NodeConfiguration:
    """Of the values by name, with the default for each that is absent. Raises ParameterError."""
    checked = {**DEFAULTS, **values}
    for name in _LISTS:
        checked[name] = tuple(checked[name] or ("",))
    return NodeConfiguration(**checked)


def updated_configuration(
    present: NodeConfiguration, updates: Sequence[Parameter]
) -> NodeConfiguration:
    """What a configured node's parameters become. Raises ParameterError, for the whole update."""
    values = {name: getattr(present, name) for name in DEFAULTS}
    for name, value in known_values(updates).items():
        as_kept = tuple(value or ("",)) if name in _LISTS else value
        if _SPEC_OF[name].changes is Changes.UNCONFIGURED and as_kept != values[name]:
            raise ParameterError(
                f"parameter '{name}' may change {Changes.UNCONFIGURED.value}: clean up first "
                "(transitions deactivate, cleanup), set it, then configure and activate again"
            )
        values[name] = value
    return configuration(values)


def known_values(updates: Sequence[Parameter]) -> dict[str, Any]:
    """Those of ours: rclpy has parameters of its own, such as use_sim_time."""
    return {update.name: update.value for update in updates if update.name in DEFAULTS}
