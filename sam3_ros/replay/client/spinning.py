"""A ROS node whose callbacks run in a thread of their own."""

from __future__ import annotations

import threading
from types import TracebackType

from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from sam3_ros.ros.start import start_ros


class SpinningNode:
    """A spinning node: `with SpinningNode("name") as spinning: spinning.node...`

    An exception in a callback ends the thread; check() raises it in the caller's. The caller
    handles signals.
    """

    def __init__(self, name: str, domain_id: int | None = None) -> None:
        self._context = Context()
        start_ros(context=self._context, domain_id=domain_id)
        self.node = Node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._spin, name=f"{name} executor", daemon=True)

    def __enter__(self) -> SpinningNode:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # In this order: shutting down while the thread spins or the node exists may abort.
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        self._context.try_shutdown()

    def check(self) -> None:
        """Raise what a callback raised, if any did."""
        if self._failure is not None:
            raise self._failure

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except BaseException as error:
            self._failure = error
