"""Transitions that say why they failed.

rclpy turns an exception in a transition into ERROR without a word, and a node that went through
error processing may be gone for good. Here it is logged and becomes FAILURE, which leads back to
the state before, so that the cause can be set right and the transition tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeAlias

from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import CallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn


class ReportsFailure(Protocol):
    """What a node with such transitions has."""

    def transition_begins(self, transition: str) -> None: ...

    def transition_failed(self, transition: str, error: Exception) -> None: ...

    def transition_succeeded(self, transition: str) -> None: ...


Transition: TypeAlias = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def told(transition: Callable[[Any], None]) -> Transition:
    """Make a callback `on_...` of a method that returns when all went well, and else raises."""

    @wraps(transition)
    def run(node: ReportsFailure, _state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix("on_")
        node.transition_begins(name)
        try:
            transition(node)
        except Exception as error:
            node.transition_failed(name, error)
            return TransitionCallbackReturn.FAILURE
        node.transition_succeeded(name)
        return TransitionCallbackReturn.SUCCESS

    return run


def survive_impossible_transitions(node: LifecycleNode) -> None:
    """Answer with success=False where the state does not allow the transition that is asked for.

    Before Kilted rclpy lets the error out of the service's callback, which ends the executor: a
    lifecycle manager that configures a node which started itself would end it.
    """
    service = node._service_change_state
    change_state = service.callback

    def checked(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except rclpy_implementation.RCLError as error:
            node.get_logger().error(f"transition {request.transition.id} refused: {error}")
            response.success = False
            return response

    service.callback = checked


def run_transitions_in(group: CallbackGroup, node: LifecycleNode) -> None:
    """Let change_state be called in this group, so that the node's other callbacks go on meanwhile.

    LifecycleNode passes no group on (rclpy 7 and 9), and its mixin has one for all its services:
    then nobody could ask for the state of a node that configures.
    """
    service = node._service_change_state
    service.callback_group = group
    group.add_entity(service)
