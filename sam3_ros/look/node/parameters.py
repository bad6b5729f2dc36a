"""The parameters of the node that the page shows and sets."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from rcl_interfaces.msg import ParameterEvent
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile

from sam3_ros.look.node.calls import ServiceCalls
from sam3_ros.look.node.settling import settle
from sam3_ros.look.viewing import Verdict

_THRESHOLD, _OUTPUTS, _BIT_DEPTH = "score_threshold", "outputs", "bit_depth"
_NAMES = (_THRESHOLD, _OUTPUTS, _BIT_DEPTH)


class NodeParameters:
    """Knows them as they are; for the ROS thread, but for the values."""

    def __init__(self, node: Node, name: str, calls: ServiceCalls) -> None:
        """name: the full name of the node whose parameters they are."""
        self._node, self._name, self._calls = node, name, calls
        self._get = calls.client(GetParameters, f"{name}/get_parameters")
        self._set = calls.client(SetParametersAtomically, f"{name}/set_parameters_atomically")
        self._events = node.create_subscription(
            ParameterEvent, "/parameter_events", self._on_event, QoSProfile(depth=100)
        )
        self._values: dict[str, Any] = {}

    @property
    def threshold(self) -> float:
        """score_threshold; 0, the bundle's own, while it is not known."""
        return float(self._values.get(_THRESHOLD) or 0.0)

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """The outputs that the node makes; None while it is not known."""
        values = self._values.get(_OUTPUTS)
        return None if values is None else tuple(values)

    @property
    def bit_depth(self) -> int:
        return int(self._values.get(_BIT_DEPTH) or 0)

    def ask(self) -> None:
        """Ask the node for them, which has just come."""
        request = GetParameters.Request(names=list(_NAMES))
        self._calls.call(self._get, request, self._on_values, _leave)

    def set_threshold(self, score: float, future: Future[Verdict]) -> None:
        """Set score_threshold; the future gets what became of it."""
        parameter = Parameter(_THRESHOLD, value=float(score)).to_parameter_msg()
        request = SetParametersAtomically.Request(parameters=[parameter])

        def on_response(response: SetParametersAtomically.Response) -> None:
            if response.result.successful:
                self._values = {**self._values, _THRESHOLD: float(score)}
            settle(future, Verdict(response.result.successful, response.result.reason))

        self._calls.call(
            self._set, request, on_response, lambda reason: settle(future, Verdict(False, reason))
        )

    def close(self) -> None:
        self._node.destroy_subscription(self._events)

    def _on_values(self, response: GetParameters.Response) -> None:
        values = map(parameter_value_to_python, response.values)
        self._values = dict(zip(_NAMES, values, strict=False))

    def _on_event(self, event: ParameterEvent) -> None:
        if event.node != self._name:
            return
        changed = {
            each.name: parameter_value_to_python(each.value)
            for each in (*event.new_parameters, *event.changed_parameters)
            if each.name in _NAMES
        }
        if changed:
            self._values = {**self._values, **changed}


def _leave(_: str) -> None:
    """Leave them as they are, because the node does not say."""
