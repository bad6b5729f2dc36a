"""The lifecycle node: a camera's images in; masks, scores and an overlay of what is asked out.

    python -m sam3_ros.ros.segmentation_node --ros-args -p prompts:="['red cube']"

Nothing heavy happens before it is configured, and nothing is kept once it is cleaned up. If
configuring fails it stays unconfigured, says why in the log and on /diagnostics, and can be
configured again. Above 300 lines, as each parameter, callback and transition of a node ends here.
"""

from __future__ import annotations

import sam3_ros.ros.node.environment_first
import sam3_ros.ros.node.one_heap  # noqa: F401  # both before rclpy

# isort: split
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter

from sam3_ros.core.backends.providers import BACKENDS_ON_GPU
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.ros.frames.ledger import FrameLedger, joint_report
from sam3_ros.ros.health.callback_errors import CallbackErrorLog
from sam3_ros.ros.health.diagnostics import NodeStatus
from sam3_ros.ros.health.findings import Thresholds
from sam3_ros.ros.health.memory import memory_use
from sam3_ros.ros.health.topic import DiagnosticsTopic
from sam3_ros.ros.launching.dds import (
    KEEPS_DEFAULTS,
    WITHOUT_SHARED_MEMORY,
    use_image_profile,
)
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.node.lease import PipelineLease
from sam3_ros.ros.node.log_pipes import never_wait_for_readers
from sam3_ros.ros.node.model_loading import LoadingStatus, load_model
from sam3_ros.ros.node.odd_calls import refuse_odd_calls
from sam3_ros.ros.node.pipeline import Pipeline
from sam3_ros.ros.node.process import (
    ProcessEnd,
    ignore_end_signals,
    return_memory,
    run_node,
)
from sam3_ros.ros.node.rclpy_internals import (
    declared_parameters,
    forget_destroyed,
    leave_out_impossible_times,
    parameter_overrides,
    survive_impossible_transitions,
)
from sam3_ros.ros.node.responses import Responses
from sam3_ros.ros.node.segment_service import SegmentService
from sam3_ros.ros.node.stack_signals import ended_if_stuck, show_stacks_on_signals
from sam3_ros.ros.node.transition_thread import TransitionThread, hand_over_transitions
from sam3_ros.ros.node.transitions import LifecycleRecord, recorded
from sam3_ros.ros.parameters.configuration import (
    NodeConfiguration,
    configuration,
    declare_parameters,
    known_values,
    read_configuration,
    taken_updates,
    unknown_parameters,
    updated_configuration,
)
from sam3_ros.ros.parameters.params_files import left_out
from sam3_ros.ros.parameters.qos_overrides import unused_overrides
from sam3_ros.ros.parameters.values import ParameterError, mistyped
from sam3_ros.ros.throttled_log import THROTTLED

# Longer than any frame takes, even with the largest model on a slow CPU.
CLEANUP_TIMEOUT = 60.0
# A node is made in a tenth of a second. Short of memory, Fast DDS waits there for ever.
_START_SECONDS = 30.0


class SegmentationNode(LifecycleNode):
    """Lifecycle, parameters and diagnostics; the pipeline does the work.

    Transitions run in a thread of their own, so that nothing else waits while a model is loaded.
    """

    def __init__(self, end: ProcessEnd | None = None) -> None:
        """end: called once there is nothing left to do (build_only), or if a transition broke."""
        self._lock = NodeLock.NODE.make()
        try:
            super().__init__("segmentation_node")
        except InvalidParameterTypeException as error:  # of rclpy's own, such as use_sim_time
            raise mistyped(error) from None
        leave_out_impossible_times(
            self, lambda reason: self.get_logger().warning(reason, **THROTTLED)
        )
        self._end = (lambda _code: None) if end is None else end
        #: For the executor: called with an entity and what its callback raised.
        self.callback_errors = CallbackErrorLog(self)
        self._transitions = TransitionThread(lambda: self._end(ExitCode.INTERNAL))
        survive_impossible_transitions(self)
        hand_over_transitions(self, self._transitions)
        given = parameter_overrides(self)
        declare_parameters(self, given)
        for warning in unknown_parameters(declared_parameters(self), given):
            self.get_logger().warning(warning)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._ledgers: defaultdict[str, FrameLedger] = defaultdict(FrameLedger)
        self._lease = PipelineLease(self._lock)
        self._configuration: NodeConfiguration | None = None
        self.lifecycle = LifecycleRecord(self._lock, self.get_logger())
        self._active_since: float | None = None
        self._loading = LoadingStatus()
        self._model_values: Mapping[str, str] = {}
        self._model_uses_gpu: bool | None = None  # no model is loaded
        DiagnosticsTopic(self, self._status)
        SegmentService(self, self._lease)
        # Of all services, so after the last was made.
        refuse_odd_calls(self)
        self._responses = Responses(self)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._autostart = self.create_timer(0.0, self._start, clock=clock)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set them as any node does, but never in between two configurations.

        A 5 is taken for 5.0, and the reason of a refusal is in plain words.
        """
        with self._lock:
            try:
                updates = taken_updates(self, parameter_list)
            except ParameterError as error:
                return SetParametersResult(successful=False, reason=str(error))
            return super().set_parameters_atomically(updates)

    @recorded
    def on_configure(self) -> None:
        with self._lock:
            self._configuration = settings = read_configuration(self)
        by = settings.machine_profile or settings.backend
        self.get_logger().info(f"loading the bundle {settings.bundle!r} on {by}")
        model = load_model(settings, self.get_logger(), self._loading)
        with self._lock:
            self._lease.install(
                self,
                lambda node: Pipeline(
                    node, self._ledgers_of(settings), model.segmenter, self._settings
                ),
            )
            self._model_values, self._model_uses_gpu = model.diagnostics, model.uses_gpu
        with self._lease.use_configured() as pipeline:
            to_come = pipeline.topics_to_come
        given = parameter_overrides(self)
        for warning in unused_overrides(declared_parameters(self), given, to_come):
            self.get_logger().warning(warning)

    @recorded
    def on_activate(self) -> None:
        with self._lease.use_configured() as pipeline:
            pipeline.activate()
            self._active_since = time.monotonic()

    @recorded
    def on_deactivate(self) -> None:
        with self._lock:
            self._active_since = None
            with self._lease.use_configured() as pipeline:
                pipeline.deactivate()

    @recorded
    def on_cleanup(self) -> None:
        self._free()

    @recorded
    def on_shutdown(self) -> None:
        self._free()

    @recorded
    def on_error(self) -> None:
        self._free()

    def release(self, timeout: float) -> bool:
        """End the transitions, free the model and send the last responses before the process ends.

        False if that is not done after the timeout, s: a transition still runs, or a frame.
        """
        until = time.monotonic() + timeout
        return (
            self._transitions.end(timeout)
            and self._lease.free(until - time.monotonic())
            and self._responses.end(until - time.monotonic())
        )

    def _start(self) -> None:
        # From the executor, so that the node can already be asked and stopped.
        self._autostart.cancel()
        if not self._transitions.put(self._start_by_itself):
            self.get_logger().error("not started by itself: others ask for too many transitions")

    def _start_by_itself(self) -> None:
        build_only = self.get_parameter("build_only").value
        autostart = self.get_parameter("autostart").value or build_only
        if not autostart or self.lifecycle.state != "unconfigured":
            return  # a lifecycle manager may have been faster
        configured = self.trigger_configure() == TransitionCallbackReturn.SUCCESS
        if build_only:
            self._end(0 if configured else 1)
        elif configured:
            self.trigger_activate()

    def _free(self) -> None:
        with self._lock:
            self._active_since, self._model_values, self._model_uses_gpu = None, {}, None
        if not self._lease.free(CLEANUP_TIMEOUT):
            raise TimeoutError(f"a frame was still being answered after {CLEANUP_TIMEOUT:g} s")
        forget_destroyed(self.default_callback_group)
        return_memory()

    def _settings(self) -> NodeConfiguration:
        assert self._configuration is not None, "read before the pipeline is made"
        return self._configuration

    def _on_parameters(self, updates: Sequence[Parameter]) -> SetParametersResult:
        """Check and apply an update; set_parameters_atomically holds the lock."""
        if not known_values(updates):  # rclpy declares one for each quality of a topic
            return SetParametersResult(successful=True)
        is_configured = self.lifecycle.state not in ("unconfigured", "finalized")
        try:
            if is_configured and self._configuration is not None:
                self._update(updates)
            else:
                configuration(known_values(updates))  # the others may still have to be corrected
        except Sam3RosError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _update(self, updates: Sequence[Parameter]) -> None:
        """Apply an update while configured or configuring: a pipeline to come reads it then."""
        updated = updated_configuration(self._settings(), updates)
        with self._lease.use() as pipeline:
            if pipeline is not None and "prompts" in known_values(updates):
                pipeline.inbox.ask_parameter(updated.prompt_entries())
            self._configuration = updated
            if pipeline is not None:
                pipeline.settings_changed()

    def _status(self) -> NodeStatus:
        names = ("bundle", "backend", "precision", "machine_profile")
        parameters = {name: str(self.get_parameter(name).value) for name in names}
        with self._lease.use() as pipeline:
            report = None if pipeline is None else pipeline.report()
            uses_gpu = self._model_uses_gpu
            if uses_gpu is None:
                uses_gpu = parameters["backend"] in BACKENDS_ON_GPU
            since = self._active_since
            return NodeStatus(
                node_name=self.get_fully_qualified_name(),
                state=self.lifecycle.state,
                failure=self.lifecycle.failure,
                model={**parameters, **self._model_values},
                frames=joint_report(self._ledgers.values()),
                loading=self._loading.describe(),
                active_s=None if since is None else time.monotonic() - since,
                report=report,
                thresholds=None if report is None else Thresholds.of(self._settings()),
                memory=memory_use(uses_gpu),
                uses_gpu=uses_gpu,
                callback_errors=self.callback_errors.summary(),
            )

    def _ledgers_of(self, settings: NodeConfiguration) -> Mapping[str, FrameLedger]:
        """Return the ledger of each camera; they live as long as the node."""
        return {name: self._ledgers[name] for name in settings.camera_set().names}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until a signal ends it; return 0 then, else as docs/exit_codes.md says."""
    never_wait_for_readers()
    show_stacks_on_signals()
    given = sys.argv if arguments is None else arguments
    try:
        transport = use_image_profile(os.environ)
    except Sam3RosError as error:  # it may still do for small images
        transport = f"{KEEPS_DEFAULTS}: {error}"

    def make(end: ProcessEnd) -> SegmentationNode:
        with ended_if_stuck(_START_SECONDS):
            node = SegmentationNode(end)
        if transport.startswith((KEEPS_DEFAULTS, WITHOUT_SHARED_MEMORY)):
            node.get_logger().warning(transport)
        else:
            node.get_logger().info(transport)
        for warning in left_out(given, node.get_fully_qualified_name()):
            node.get_logger().warning(warning)
        return node

    code = run_node(make, given)
    ignore_end_signals()
    return code


if __name__ == "__main__":
    sys.exit(main())
