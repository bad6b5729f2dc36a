"""A process for one node: memory tuned for images, an end within two seconds of a signal."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import rclpy
from rclpy.executors import Executor, MultiThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from sam3_ros.ros.node.callback_threads import CallbackThreads

MEBIBYTE = 2**20
# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# More than the C libraries' struct sigaction (glibc: 152).
_SIGACTION_BYTES = 512
# Together less than the two seconds in which the process must be gone.
_JOIN_SECONDS, _CALLBACK_SECONDS, _RELEASE_SECONDS = 0.5, 0.5, 0.6


class ProcessEnd:
    """Called with an exit code from any thread or signal handler: the process ends with it."""

    def __init__(self) -> None:
        self._codes: list[int] = []
        # The system may hand a signal to any thread, and Python's handler runs in the main one,
        # which no lock lets go for that; a pipe that every signal writes to does.
        self._heard, self._said = os.pipe()
        os.set_blocking(self._said, False)

    def __call__(self, code: int = 0) -> None:
        """The first call counts."""
        self._codes.append(code)
        with suppress(BlockingIOError):  # full of what nobody has read yet
            os.write(self._said, b"\0")

    def by_signals(self, *numbers: signal.Signals) -> None:
        """Let these end the process, with exit code 0. For the main thread."""
        signal.set_wakeup_fd(self._said, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: self())

    def wait(self) -> int:
        """The exit code, once it is called. For the main thread."""
        while not self._codes:
            os.read(self._heard, 1)
        return self._codes[0]


def keep_image_memory() -> None:
    """Let glibc reuse the memory of images rather than map it anew for each message.

    A 1080p image costs a quarter of the CPU time this way. No effect with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * MEBIBYTE)
        mallopt(_M_TRIM_THRESHOLD, 256 * MEBIBYTE)


def return_memory() -> None:
    """Give what was freed back to the system, which glibc does not do by itself.

    It would keep what a model took: in as many pieces as threads have used it one after the other.
    """
    gc.collect()
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def run_node(make_node: Callable[[ProcessEnd], Any], arguments: Sequence[str]) -> int:
    """Spin the node until SIGINT or SIGTERM, or until it calls the end that it was made with.

    Exit code: 0 after a signal, what the node called the end with, 1 if it could not be made or
    broke. The node has release(timeout) -> bool, which frees what it holds; where that or a
    callback takes too long, the process ends without it.
    """
    end = ProcessEnd()
    end.by_signals(signal.SIGINT, signal.SIGTERM)
    keep_image_memory()
    try:
        # Our own handlers: rclpy's would end the executor under a callback that is at work.
        rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
        node = make_node(end)
    except Exception as error:
        print(f"the node cannot start: {type(error).__name__}: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    return _spin(node, end)


@contextmanager
def signals_end_at_once() -> Iterator[None]:
    """SIGINT and SIGTERM end the process as they do without a handler, in whatever it is.

    For work in which no Python runs, and so no handler of ours.
    """
    libc = ctypes.CDLL(None)
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [ctypes.create_string_buffer(_SIGACTION_BYTES) for _ in numbers]
    by_default = ctypes.create_string_buffer(_SIGACTION_BYTES)  # all zero: SIG_DFL
    for number, handler in zip(numbers, handlers, strict=True):
        libc.sigaction(int(number), by_default, handler)
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            libc.sigaction(int(number), handler, None)


def _spin(node: Any, end: ProcessEnd) -> int:
    executor = CallbackThreads()
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except BaseException as error:
            traceback.print_exception(error)
            end(1)

    thread = threading.Thread(target=spin, name="executor", daemon=True)
    thread.start()
    code = end.wait()
    # In this order: to end while a thread spins, or with the node alive, sometimes aborts.
    Executor.shutdown(executor, 0.0)
    thread.join(_JOIN_SECONDS)
    idle = not thread.is_alive() and _callbacks_end(executor)
    if not idle or not node.release(_RELEASE_SECONDS):
        _end_at_once(node, code)
    node.destroy_node()
    rclpy.try_shutdown()
    return code


def _callbacks_end(executor: MultiThreadedExecutor) -> bool:
    """Wait a while for what the executor's own threads do.

    Its own shutdown waits without end (rclpy 9) or not at all (rclpy 7).
    """
    waiting = threading.Thread(target=executor._executor.shutdown, daemon=True)
    waiting.start()
    waiting.join(_CALLBACK_SECONDS)
    return not waiting.is_alive()


def _end_at_once(node: Any, code: int) -> None:
    """The model is at work in a thread that cannot be interrupted: leave it to the system."""
    node.get_logger().warning("ending in the middle of a frame or of loading a bundle")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
