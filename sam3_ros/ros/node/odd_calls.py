"""Calls of the services that rclpy makes for every node: odd ones are refused, with a reason.

rclpy lets an exception out of a service's callback, which ends the node: a parameter of a type that
does not exist is enough, and anybody in the domain may send it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, SetParametersResult
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as Value
from rclpy.service import Service

from sam3_ros.ros.error_text import described
from sam3_ros.ros.throttled_log import THROTTLED

_TYPES = {kind.value for kind in Value.Type}
#: Parameters that one call may set: each takes a millisecond, in which nobody else is heard.
MOST_SET = 256
#: Names that one call may ask for: a thousand take a tenth of a second.
MOST_ASKED = 1000
_READS = (DescribeParameters, GetParameters, GetParameterTypes, ListParameters)
#: A name that came from anywhere is shown no longer than this.
_SHOWN = 80


def refuse_odd_calls(node: Node) -> None:
    """Let each service that the node has now answer every call, and none end the node."""
    for service in node.services:
        answer = service.callback
        if service.srv_type is SetParameters:
            answer = _one_by_one(node, answer)
        elif service.srv_type is SetParametersAtomically:
            answer = _all_or_none(answer)
        elif service.srv_type in _READS:
            answer = _of_a_few(node, service, answer)
        elif service.srv_type is ChangeState:
            answer = _of_readable_labels(node, answer)
        elif service.srv_type.__name__ == "GetTypeDescription":  # Humble does not have it
            answer = _of_readable_hashes(answer)
        service.callback = _surviving(node, service, answer)


def _one_by_one(node: Node, answer: Callable[..., Any]) -> Callable[..., Any]:
    """Have a result for each parameter, whatever became of the others."""

    def set_one(parameter: Parameter) -> SetParametersResult:
        if reason := _odd_type(parameter):
            return _refused(reason)
        one = SetParameters.Request(parameters=[parameter])
        try:
            return answer(one, SetParameters.Response()).results[0]
        except Exception as error:
            _log(node, f"parameter {_shown(parameter.name)} was not set", error)
            return _refused(described(error))

    def set_each(
        request: SetParameters.Request, response: SetParameters.Response
    ) -> SetParameters.Response:
        if reason := _too_many(request):
            response.results = [_refused(reason)] * len(request.parameters)
        else:
            response.results = [set_one(parameter) for parameter in request.parameters]
        return response

    return set_each


def _all_or_none(answer: Callable[..., Any]) -> Callable[..., Any]:
    def set_all(
        request: SetParametersAtomically.Request, response: SetParametersAtomically.Response
    ) -> SetParametersAtomically.Response:
        reasons = filter(None, map(_odd_type, request.parameters))
        if reason := _too_many(request) or next(reasons, ""):
            response.result = _refused(reason)
            return response
        return answer(request, response)

    return set_all


def _of_a_few(node: Node, service: Service, answer: Callable[..., Any]) -> Callable[..., Any]:
    """Answer with nothing where too much is asked: such a response has no place for a reason."""

    def read(request: Any, response: Any) -> Any:
        names = request.prefixes if service.srv_type is ListParameters else request.names
        if len(names) <= MOST_ASKED:
            return answer(request, response)
        node.get_logger().error(
            f"{service.srv_name} expects at most {MOST_ASKED} names in one call, got {len(names)}: "
            "ask in parts",
            **THROTTLED,
        )
        return response

    return read


def _of_readable_labels(node: Node, answer: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a label that is long or has control characters: rcl logs it as it came."""

    def change_state(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        label = request.transition.label
        if label.isprintable() and len(label) <= _SHOWN:
            return answer(request, response)
        node.get_logger().error(f"no transition is called {_shown(label)}", **THROTTLED)
        return ChangeState.Response(success=False)

    return change_state


def _of_readable_hashes(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a type's hash that is long or has control characters: rcl logs it as it came."""

    def describe(request: Any, response: Any) -> Any:
        given = request.type_hash
        if given.isprintable() and len(given) <= _SHOWN:
            return answer(request, response)
        response.successful = False
        response.failure_reason = f"expected RIHS01_ and 64 hexadecimal digits, got {_shown(given)}"
        return response

    return describe


def _surviving(node: Node, service: Service, answer: Callable[..., Any]) -> Callable[..., Any]:
    def survive(request: Any, response: Any) -> Any:
        try:
            return answer(request, response)
        except Exception as error:
            _log(node, f"{service.srv_name} could not be answered", error)
            return _refusal(service.srv_type, described(error))

    return survive


def _refusal(kind: Any, reason: str) -> Any:
    """Return the response that says no, as far as the service's type can say so."""
    if kind is SetParametersAtomically:
        return SetParametersAtomically.Response(result=_refused(reason))
    if kind is ChangeState:
        return ChangeState.Response(success=False)
    return kind.Response()


def _too_many(request: Any) -> str:
    """Return why a call sets too many parameters; empty if it does not."""
    count = len(request.parameters)
    if count <= MOST_SET:
        return ""
    return f"expected at most {MOST_SET} parameters in one call, got {count}: set them in parts"


def _odd_type(parameter: Parameter) -> str:
    """Return what is wrong with a parameter's type; empty if it exists."""
    if parameter.value.type in _TYPES:
        return ""
    return (
        f"parameter {_shown(parameter.name)} expects a type from {min(_TYPES)} to {max(_TYPES)} "
        f"(rcl_interfaces/msg/ParameterType), got {parameter.value.type}"
    )


def _refused(reason: str) -> SetParametersResult:
    return SetParametersResult(successful=False, reason=reason)


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")


def _log(node: Node, what: str, error: Exception) -> None:
    node.get_logger().error(f"{what}: {described(error)}", **THROTTLED)
