"""A process for one node: memory tuned for images, an end within two seconds of a signal."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

MEBIBYTE = 2**20
# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Together less than the two seconds in which the process must be gone.
_EXECUTOR_SECONDS, _JOIN_SECONDS, _RELEASE_SECONDS = 0.5, 0.5, 0.6


def keep_image_memory() -> None:
    """Let glibc reuse the memory of images rather than map it anew for each message.

    A 1080p image costs a quarter of the CPU time this way. No effect with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * MEBIBYTE)
        mallopt(_M_TRIM_THRESHOLD, 256 * MEBIBYTE)


def run_node(make_node: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Spin the node until SIGINT or SIGTERM. Exit code: 0 then, 1 if it could not be made or broke.

    The node has release(timeout) -> bool, which frees what it holds; where that or a callback
    takes too long, the process ends without it.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    keep_image_memory()
    # Our own handlers: rclpy's would end the executor under a callback that is at work.
    rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
    except Exception as error:
        print(f"the node cannot start: {type(error).__name__}: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    return _spin(node, stop)


def _spin(node: Any, stop: threading.Event) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    broke: list[BaseException] = []

    def spin() -> None:
        try:
            executor.spin()
        except BaseException as error:
            broke.append(error)
        finally:
            stop.set()

    thread = threading.Thread(target=spin, name="executor", daemon=True)
    thread.start()
    stop.wait()
    if broke:
        traceback.print_exception(broke[0])
    # In this order: to end while a thread spins, or with the node alive, sometimes aborts.
    executor.shutdown(timeout_sec=_EXECUTOR_SECONDS)
    thread.join(_JOIN_SECONDS)
    if thread.is_alive() or not node.release(_RELEASE_SECONDS):
        _end_at_once(node)
    node.destroy_node()
    rclpy.try_shutdown()
    return 1 if broke else 0


def _end_at_once(node: Any) -> None:
    """The model is at work in a thread that cannot be interrupted: leave it to the system."""
    node.get_logger().warning("ending in the middle of a frame or of loading a bundle")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
