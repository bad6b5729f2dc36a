"""All uses of what rclpy does not document, in one place.

Checked with rclpy 9.1.2 (Kilted) and 7.1.6 (Jazzy) by running the tests, with 3.3.15 (Humble) by
reading its sources.

| what                                       | without it                                          |
| ------------------------------------------ | --------------------------------------------------- |
| `Executor._make_handler`                   | a topic that a transition destroys while its event  |
|                                            | waits for its turn blocks its group for ever, and   |
|                                            | one callback that raises ends the node              |
| `LifecycleNode._service_change_state`      | an impossible transition ends the executor; nobody  |
|                                            | can ask for the state of a node that configures     |
| `CallbackGroup.entities`                   | each cleanup leaks weak references                  |
| `Node._parameters`, `._parameter_overrides`| misspelt parameters are ignored silently, and a 5   |
|                                            | where 5.0 is meant ends the node                    |
| `Service.send_response`, replaced          | a callback waits for the model, or the executor     |
|                                            | polls it on a whole core, to answer a call; a       |
|                                            | response that DDS loses is lost without a word      |
| `rclpy_implementation.RCLError`            | as for `_service_change_state`                      |
| `Node._time_source`, `._clock_sub`         | a time before 1970 on /clock is a broken callback   |
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.service import Service
from rosgraph_msgs.msg import Clock

from sam3_ros.ros.stamps import NANOSECONDS, nanoseconds

# What was not taken, where rclpy calls back with whatever that returned. None is a timer's.
_NOTHING = object()


class CallbackExecutor(SingleThreadedExecutor):
    """An executor that outlives its callbacks, and whose topics other threads create and destroy.

    rclpy's own ends with InvalidHandle if another thread destroys a topic after the executor has
    listed its QoS events and before it waits for them or takes one (rclpy 7 and 9, executors.py),
    or takes a message (rclpy 3, its issue 1142).
    """

    def __init__(
        self, survive: Callable[[Any, Exception], None], *, context: Context | None = None
    ) -> None:
        """survive: called with an entity and what its callback raised; then spinning goes on."""
        super().__init__(context=context)
        self._is_ending = False
        self._survive = survive

    def spin(self) -> None:
        """Run callbacks until end_spinning()."""
        while self.context.ok() and not self._is_ending:
            self.spin_once()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        try:
            super().spin_once(timeout_sec)
        except InvalidHandle as error:
            # The next round lists what exists then.
            get_logger("sam3_ros").debug(f"a topic was destroyed before it was waited for: {error}")

    def end_spinning(self) -> None:
        """Let spin() return after the callback that runs; from any thread.

        shutdown() while another thread spins would take from it what it waits with.
        """
        self._is_ending = True
        self.create_task(lambda: None)  # it ends the wait

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        self._is_ending = True
        return super().shutdown(timeout_sec)

    def _make_handler(self, entity: Any, node: Any, take: Callable[[Any], Any], *more: Any) -> Any:
        """Go on after an error: of taking, it would also leave the entity's group blocked for ever.

        Until rclpy 3 `more` has what is called with what was taken; later that is what is taken.
        """

        nothing = _NOTHING if more else None

        def take_if_it_exists(entity: Any) -> Any:
            try:
                taken = take(entity)
            except InvalidHandle:
                return nothing
            except Exception as error:  # such as of bytes that are no message of the topic's type
                self._survive(entity, error)
                return nothing
            return self._surviving(entity, taken) if taken is not None and not more else taken

        calls = (self._surviving(entity, call) for call in more)
        return super()._make_handler(entity, node, take_if_it_exists, *calls)

    def _surviving(self, entity: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        async def survive(*arguments: Any) -> None:
            if any(each is _NOTHING for each in arguments):
                return
            try:
                await call(*arguments)
            except Exception as error:
                self._survive(entity, error)

        return survive


def survive_impossible_transitions(node: LifecycleNode) -> None:
    """Answer change_state with success=False if the state does not allow the transition.

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
        except Exception as error:  # RCLError if the state does not allow it
            node.get_logger().error(f"transition {request.transition.id} refused: {error}")
            response.success = False
            return response

    service.callback = checked


def leave_out_impossible_times(node: Node, tell: Callable[[str], object]) -> None:
    """Let the node's clock take from /clock only what is a time; tell has the reason otherwise.

    rclpy raises for one before 1970, and of one that no stamp can hold it makes stamps that are
    others, or raises for each.
    """
    source = node._time_source
    take = source.clock_callback

    def checked(message: Clock) -> None:
        if 0 <= nanoseconds(message.clock) < 2**31 * NANOSECONDS:
            take(message)
        else:
            tell(_no_time(message.clock))

    source.clock_callback = checked  # type: ignore[method-assign,assignment]
    if source._clock_sub is not None:  # use_sim_time was given at the start
        source._clock_sub.callback = checked


def _no_time(given: Time) -> str:
    return (
        f"expected a time from 0 to 2**31 s on /clock, got sec {given.sec}, nanosec "
        f"{given.nanosec}: it is left out, and the clock stays as it is"
    )


def change_state_service(node: LifecycleNode) -> Service:
    """Return the service that runs a transition in its callback."""
    return node._service_change_state


class UndeliveredError(Exception):
    """A response did not get to its caller, who may not be known yet."""


def refuse_lost_responses() -> None:
    """Let rclpy raise where it would only warn, once, of a response that was lost.

    For the whole process: Python's filters of warnings belong to no thread.
    """
    warnings.filterwarnings("error", "failed to send response", RuntimeWarning)


def send_responses_by(service: Service, put: Callable[[Callable[[Any], None], Any], None]) -> None:
    """Let put(send, response) decide when, and in which thread, send(response) is called.

    send takes 0.1 s and raises UndeliveredError if the caller cannot be reached. One at a time:
    rcl sends no two responses of a service at once.
    """
    send_response = service.send_response

    def send(response: Any, header: Any) -> None:
        try:
            send_response(response, header)
        except InvalidHandle:
            pass  # a service that is destroyed has no callers
        except (RuntimeWarning, rclpy_implementation.RCLError) as error:
            raise UndeliveredError(str(error)) from error
        except SystemError as error:  # rclpy returns although the warning has become an error
            if not isinstance(error.__cause__, RuntimeWarning):
                raise
            raise UndeliveredError(str(error.__cause__)) from error

    def hand_over(response: Any, header: Any) -> None:
        put(lambda ready: send(ready, header), response)

    service.send_response = hand_over  # type: ignore[method-assign]


def forget_destroyed(group: CallbackGroup) -> None:
    """Drop the weak references to destroyed entities, which rclpy 3, 7 and 9 keep in a group."""
    dead = [reference for reference in list(group.entities) if reference() is None]
    group.entities.difference_update(dead)


def declared_parameters(node: Node) -> list[str]:
    """Return the names of all parameters that the node has declared."""
    return list(node._parameters)


def parameter_overrides(node: Node) -> dict[str, Parameter]:
    """Return, by name, the parameters that were given when the node started."""
    return dict(node._parameter_overrides)
