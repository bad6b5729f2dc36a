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

from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.core.signals import end_signals
from sam3_ros.ros.error_text import described
from sam3_ros.ros.node.rclpy_internals import CallbackExecutor
from sam3_ros.ros.start import start_ros

MEBIBYTE = 2**20
# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# More than the C libraries' struct sigaction (glibc: 152).
_SIGACTION_BYTES = 512
# Together less than the two seconds in which the process must be gone.
_CALLBACK_SECONDS, _RELEASE_SECONDS = 0.5, 1.1


class ProcessEnd:
    """Ends the process with an exit code; may be called in any thread or signal handler."""

    def __init__(self) -> None:
        self._codes: list[int] = []
        # The system may hand a signal to any thread, but Python's handler runs in the main one,
        # and waiting for a lock there does not end for that. Reading a pipe that every signal
        # writes to does.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def __call__(self, code: int = 0) -> None:
        """End with this code, unless another was given before."""
        self._codes.append(code)
        with suppress(BlockingIOError):  # the pipe is full, so wait() will read it
            os.write(self._writer, b"\0")

    def by_signals(self, *numbers: signal.Signals) -> None:
        """Let these signals end the process, with exit code 0. For the main thread."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: self())

    def wait(self) -> int:
        """Wait for a call and return its exit code. For the main thread."""
        while not self._codes:
            os.read(self._reader, 1)
        return self._codes[0]


def keep_image_memory() -> None:
    """Let glibc reuse the memory of images instead of mapping it anew for each message.

    A 1080p image then costs a quarter of the CPU time. No effect with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * MEBIBYTE)
        mallopt(_M_TRIM_THRESHOLD, 256 * MEBIBYTE)


def return_memory() -> None:
    """Return freed memory to the system, which glibc does not do by itself.

    All of it where one heap is shared (one_heap.py); the last 64 MiB of any other stay.
    """
    gc.collect()
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def run_node(make_node: Callable[[ProcessEnd], Any], arguments: Sequence[str]) -> int:
    """Spin the node until a signal ends it, or until it calls the ProcessEnd it was made with.

    Returns the exit code: 0 after a signal, the node's own code, 2 if it could not be made, or 70
    if it broke. The node must have release(timeout) -> bool, which ends its threads and frees what
    it holds; if that or a callback takes too long, the process ends without it.
    """
    end = ProcessEnd()
    end.by_signals(*end_signals())
    keep_image_memory()
    try:
        # Our own handlers of signals: rclpy's would end the executor while a callback runs.
        start_ros(arguments)
        node = make_node(end)
    except Exception as error:
        print(f"the node cannot start: {' '.join(described(error).split())}", file=sys.stderr)
        with suppress(Exception):  # of a context that was not made
            rclpy.try_shutdown()
        return ExitCode.REFUSED
    return _spin(node, end)


@contextmanager
def signals_end_at_once() -> Iterator[None]:
    """Let signals end the process at once inside the block, as without a handler.

    For work during which no Python code runs, and so no handler of ours.
    """
    libc = ctypes.CDLL(None)
    numbers = end_signals()
    handlers = [ctypes.create_string_buffer(_SIGACTION_BYTES) for _ in numbers]
    by_default = ctypes.create_string_buffer(_SIGACTION_BYTES)  # all zero: SIG_DFL
    for number, handler in zip(numbers, handlers, strict=True):
        libc.sigaction(int(number), by_default, handler)
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            libc.sigaction(int(number), handler, None)


def ignore_end_signals() -> None:
    """Let a second Ctrl-C change nothing: Python, while it ends, no longer handles it."""
    for number in end_signals():
        signal.signal(number, signal.SIG_IGN)


def _spin(node: Any, end: ProcessEnd) -> int:
    executor = CallbackExecutor(node.callback_errors)
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except BaseException as error:
            traceback.print_exception(error)
            end(ExitCode.INTERNAL)

    thread = threading.Thread(target=spin, name="executor", daemon=True)
    thread.start()
    code = end.wait()
    # In this order: ending while a thread spins, or while the node exists, sometimes aborts.
    executor.end_spinning()
    thread.join(_CALLBACK_SECONDS)
    if thread.is_alive() or not node.release(_RELEASE_SECONDS):
        _end_at_once(node, code)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return code


def _end_at_once(node: Any, code: int) -> None:
    """End although a thread is in the model, which cannot be interrupted."""
    node.get_logger().warning("ending in the middle of a frame or of loading a bundle")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
