"""The node's parameters as one checked configuration: declared, read and updated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from sam3_ros.core.errors import ProfileError, PromptError
from sam3_ros.core.images.levels import BIT_DEPTHS
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.core.precision.repair import OnFailure
from sam3_ros.core.profile.configured_plan import ConfiguredPlan
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.core.visible_text import visible
from sam3_ros.ros.cameras import CameraNameError, Cameras
from sam3_ros.ros.parameters.qos_overrides import check_override
from sam3_ros.ros.parameters.specs import DEFAULTS, SPECS, Changes
from sam3_ros.ros.parameters.values import ParameterError, mismatch
from sam3_ros.ros.prompts.entries import PromptEntries, read_prompt_entries
from sam3_ros.ros.prompts.requests import TopicSettings
from sam3_ros.ros.qos import OVERRIDES

_SPEC_OF = {spec.name: spec for spec in SPECS}
_LISTS = tuple(spec.name for spec in SPECS if isinstance(spec.default, tuple))
# A name that came from anywhere is shown no longer than this.
_SHOWN = 80
# Parameters of earlier versions, and what to do instead.
_GONE = {
    "click_frames": "set click_seconds: a click lasts that many seconds, 0 keeps it until the next",
    "sticky_clicks": "set tracking, which is for texts too",
    "sticky_least_score": "set tracking_least_score",
}


@dataclass(frozen=True)
class NodeConfiguration:
    """All parameters, by name, checked together. Raises ParameterError."""

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
    bit_depth: int
    max_megapixels: float
    prompts: tuple[str, ...]
    keep_prompts: bool
    score_threshold: float
    mask_encoding: str
    click_seconds: float
    tracking: bool
    tracking_least_score: float
    redetect_every: int
    max_objects: int
    memory_frames: int
    keep_apart: bool
    tracking_gap_s: float
    depth: bool
    depth_transport: str
    depth_rectified: bool
    depth_tolerance: float
    depth_wait_s: float
    depth_smoothing: bool
    target_frame: str
    target_frame_wait_s: float
    outputs: tuple[str, ...]
    max_rate: float
    clock_jump_s: float
    frame_memory: int
    frame_memory_mb: int
    latency_warn_ms: float
    latency_error_ms: float
    silence_warn_s: float
    silence_error_s: float
    failed_warn: float
    failed_error: float
    lost_warn: float
    autostart: bool
    build_only: bool
    diagnostics_period: float

    def __post_init__(self) -> None:
        for field in fields(self):
            _SPEC_OF[field.name].check(getattr(self, field.name))
        if self.bit_depth not in BIT_DEPTHS:
            raise ParameterError(
                f"parameter 'bit_depth' is 0 or lies in 8..16; got {self.bit_depth}"
            )
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
        """Return what is to run the bundle."""
        return ConfiguredPlan(
            StageChoice(self.backend, self.precision),
            self.threads or None,
            self.device_id,
            Path(self.machine_profile) if self.machine_profile else None,
        )

    def camera_set(self) -> Cameras:
        """Return the cameras of `cameras`: one without a name if it has none."""
        return Cameras.named(self.cameras)

    def prompt_entries(self) -> PromptEntries:
        """Return what `prompts` asks; blank entries are ignored."""
        return read_prompt_entries(self.prompts, self.tracking)

    def topic_settings(self) -> TopicSettings:
        """Return what the prompts of the simple topics have."""
        return TopicSettings(self.tracking, self.click_seconds)

    def tracking_settings(self) -> TrackingSettings:
        """Return how objects are tracked."""
        return TrackingSettings(
            memory_frames=self.memory_frames,
            redetect_every=self.redetect_every,
            max_objects=self.max_objects,
            least_score=self.tracking_least_score,
            keep_apart=self.keep_apart,
        )


def declare_parameters(node: Node, given: Mapping[str, Parameter]) -> None:
    """Declare them all.

    given: by name, what the node was started with. Raises ParameterError for a value of a wrong
    type or range, and for a parameter that is gone.
    """
    for name, parameter in given.items():
        require_not_gone(name)
        check_override(name, parameter.value)
    for spec in SPECS:
        value: Any = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        if spec.name in given:
            value = spec.taken(given[spec.name].value)
        # rclpy would refuse a 5 that is meant as 5.0.
        node.declare_parameter(spec.name, value, spec.descriptor(), ignore_override=True)


def taken_updates(node: Node, updates: Sequence[Parameter]) -> list[Parameter]:
    """Return the updates, each in its parameter's type.

    Raises ParameterError for one that does not exist, may not be set, or has a wrong type or range.
    """
    return [_taken_update(node, update) for update in updates]


def _taken_update(node: Node, update: Parameter) -> Parameter:
    name = update.name
    require_not_gone(name)
    if name in _SPEC_OF:
        spec = _SPEC_OF[name]
        if spec.changes is Changes.AT_START:
            raise ParameterError(
                f"parameter '{name}' may change {Changes.AT_START.value}: end it, then start it "
                "with another value"
            )
        return Parameter(name, value=spec.taken(update.value))
    if not node.has_parameter(name):
        known = [spec.name for spec in SPECS]
        shown = visible(name[:_SHOWN])
        raise ParameterError(f"no parameter '{shown}'{did_you_mean(name, known)}")
    present = node.get_parameter(name)  # of rclpy, such as use_sim_time
    if present.type_ not in (update.type_, Parameter.Type.NOT_SET):
        raise mismatch(name, present.value, update.value)
    return update


def require_not_gone(name: str) -> None:
    """Raise ParameterError, with what to do, for a parameter of an earlier version."""
    if name in _GONE:
        raise ParameterError(f"there is no parameter '{name}' any more: {_GONE[name]}")


def read_configuration(node: Node) -> NodeConfiguration:
    """Return what is set now. Raises ParameterError."""
    return configuration({name: node.get_parameter(name).value for name in DEFAULTS})


def configuration(values: Mapping[str, Any]) -> NodeConfiguration:
    """Check the values by name, with the default for each that is absent.

    Raises ParameterError.
    """
    checked = {**DEFAULTS, **{name: _SPEC_OF[name].taken(each) for name, each in values.items()}}
    for name in _LISTS:
        checked[name] = tuple(checked[name])
    return NodeConfiguration(**checked)


def updated_configuration(
    present: NodeConfiguration, updates: Sequence[Parameter]
) -> NodeConfiguration:
    """Return a configured node's parameters after an update.

    Raises ParameterError, for the update as a whole.
    """
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
    """Return our own parameters; rclpy has others, such as use_sim_time."""
    return {update.name: update.value for update in updates if update.name in DEFAULTS}


def unknown_parameters(declared: Sequence[str], given: Iterable[str]) -> list[str]:
    """Return a warning for each name that was given at the start and that no node reads.

    Most often it is misspelt; ROS ignores one that is set by -p or a file and never declared.
    """
    return [
        f"no parameter '{name}', so it is ignored{did_you_mean(name, declared)}"
        for name in sorted(given)
        if name not in declared and not name.startswith(OVERRIDES)
    ]
