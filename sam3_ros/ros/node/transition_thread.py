"""The thread that runs transitions, so that the executor goes on meanwhile."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode

from sam3_ros.ros.node.rclpy_internals import change_state_service
from sam3_ros.ros.node.responses import LaterResponse
from sam3_ros.ros.throttled_log import THROTTLED

# More than any lifecycle manager asks for at once: configure, activate, and then what undoes them.
_MOST_WAITING = 8


class TransitionThread:
    """Runs transitions one after another, in the order in which they were asked for."""

    def __init__(self, broken: Callable[[], None]) -> None:
        """Start the thread. broken: called after a transition has raised, which ends the thread."""
        self._broken = broken
        # None ends the thread.
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(_MOST_WAITING)
        self._is_ending = False
        # A daemon, so that the process can end while a model is loaded.
        self._thread = threading.Thread(target=self._run, name="transitions", daemon=True)
        self._thread.start()

    def put(self, transition: Callable[[], None]) -> bool:
        """Run it once those before it have ended; from any thread. False if too many wait."""
        try:
            self._waiting.put_nowait(transition)
        except queue.Full:
            return False
        return True

    def end(self, timeout: float) -> bool:
        """End after the transition that runs. False if it takes longer than the timeout, s."""
        self._is_ending = True
        with suppress(queue.Full):  # then the thread looks at the flag soon
            self._waiting.put_nowait(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (transition := self._waiting.get()) is not None and not self._is_ending:
                transition()
        except BaseException as error:
            traceback.print_exception(error)
            self._broken()


def hand_over_transitions(node: LifecycleNode, thread: TransitionThread) -> None:
    """Let the thread run what change_state asks for, and respond when it has ended.

    LifecycleNode runs it in the callback: nobody could ask for the state of a node that configures.
    """
    service = change_state_service(node)
    change_state = service.callback

    def hand_over(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response | LaterResponse:
        later = LaterResponse()

        def run() -> None:
            try:
                later.respond(change_state(request, response))
            finally:  # if it raised: the caller hears from us all the same
                later.respond(ChangeState.Response(success=False))

        if not thread.put(run):
            node.get_logger().error(
                f"transition {request.transition.id} refused: too many wait for the one that runs",
                **THROTTLED,
            )
            later.respond(ChangeState.Response(success=False))
        return later

    service.callback = hand_over
