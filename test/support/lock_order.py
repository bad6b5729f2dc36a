"""Locks of the node that watch the order in which they are taken; see sam3_ros/ros/locks.py.

    lock_order.py SCRIPT ... | -m MODULE ...

runs a program with such locks. A thread that takes one out of order says so on stderr, in a line
with VIOLATED, and gets LockOrderError.
"""

from __future__ import annotations

import runpy
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sam3_ros.ros.locks import NodeLock

VIOLATED = "lock order violated"
_PLAIN = NodeLock.make


class LockOrderError(AssertionError):
    """A thread has taken a lock while it held one that comes after it, or that lock itself."""


class LockWatch:
    """Makes the locks, and knows which of them each thread holds."""

    def __init__(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Call `report` with the text of each violation."""
        self.violations: list[str] = []
        #: Outer and inner of those that were taken in order.
        self.nested: set[tuple[NodeLock, NodeLock]] = set()
        self._report = report
        self._of_thread = threading.local()

    @contextmanager
    def installed(self) -> Iterator[LockWatch]:
        """Make the node's locks watched ones inside the block."""
        before = NodeLock.make
        NodeLock.make = lambda name: _WatchedLock(name, self)
        try:
            yield self
        finally:
            NodeLock.make = before

    @property
    def held(self) -> list[_WatchedLock]:
        """Return the locks that the calling thread holds, in the order in which it took them."""
        if not hasattr(self._of_thread, "held"):
            self._of_thread.held = []
        return self._of_thread.held

    def check(self, lock: _WatchedLock) -> None:
        """Note the lock as nested in those held; raise LockOrderError if it is out of order."""
        if lock.name is NodeLock.NODE and lock in self.held:
            return
        order = list(NodeLock)
        for outer in self.held:
            if order.index(outer.name) >= order.index(lock.name):
                self._violated(outer, lock)
            self.nested.add((outer.name, lock.name))

    def _violated(self, outer: _WatchedLock, inner: _WatchedLock) -> None:
        thread = threading.current_thread().name
        what = f"{VIOLATED}: {thread} holds {outer.name.name} and takes {inner.name.name}"
        self.violations.append(what)
        self._report("".join([*traceback.format_stack(), what, "\n"]))
        raise LockOrderError(what)


class _WatchedLock:
    def __init__(self, name: NodeLock, watch: LockWatch) -> None:
        self.name = name
        self._watch = watch
        self._lock = _PLAIN(name)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking:  # only who waits can wait for ever
            self._watch.check(self)
        taken = self._lock.acquire(blocking, timeout)
        if taken:
            self._watch.held.append(self)
        return taken

    def release(self) -> None:
        self._watch.held.remove(self)
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


if __name__ == "__main__":
    del sys.argv[0]
    with LockWatch(lambda what: print(what, file=sys.stderr, flush=True)).installed():
        if sys.argv[0] == "-m":
            del sys.argv[0]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
