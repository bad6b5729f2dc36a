"""The node's parameters as one checked configuration: declared, read and updated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from sam3_ros.core.errors import ProfileError, PromptError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.core.precision.repair import OnFailure
from sam3_ros.core.profile.configured_plan import ConfiguredPlan
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.ros.cameras import CameraNameError, Cameras
from sam3_ros.ros.parameters.specs import DEFAULTS, SPECS, Changes, ParameterError
from sam3_ros.ros.prompts.entries import PromptEntries, read_prompt_entries
from sam3_ros.ros.prompts.requests import ClickSettings

_SPEC_OF = {spec.name: spec for spec in SPECS}
_LISTS = tuple(spec.name for spec in SPECS if isinstance(spec.default, tuple))
# rclpy declares these parameters for the topics and services that a node creates.
_OF_ENTITIES = "qos_overrides."


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
        return read_prompt_entries(self.prompts)

    def click_settings(self) -> ClickSettings:
        """Return how long a click on ~/prompt/point or a box on ~/prompt/box lasts."""
        return ClickSettings(self.sticky_clicks, self.click_frames)


def declare_parameters(node: Node) -> None:
    """Declare them all.

    Raises rclpy's InvalidParameter... for a value of a wrong type or range, and ParameterError for
    an empty list where no list is expected.
    """
    for spec in SPECS:
        default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        declared: Parameter = node.declare_parameter(spec.name, default, spec.descriptor())
        # An empty list in a YAML file has no type, and rclpy leaves the parameter without a value.
        if declared.type_ is Parameter.Type.NOT_SET:
            if not isinstance(spec.default, tuple):
                raise ParameterError(
                    f"parameter '{spec.name}' expects {type(default).__name__}, got an empty list"
                )
            node.set_parameters([Parameter(spec.name, value=default)])


def read_configuration(node: Node) -> NodeConfiguration:
    """Return what is set now. Raises ParameterError."""
    return configuration({name: node.get_parameter(name).value for name in DEFAULTS})


def configuration(values: Mapping[str, Any]) -> NodeConfiguration:
    """Check the values by name, with the default for each that is absent.

    Raises ParameterError.
    """
    checked = {**DEFAULTS, **values}
    for name in _LISTS:
        checked[name] = tuple(checked[name] or ("",))
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
        if name not in declared and not name.startswith(_OF_ENTITIES)
    ]
