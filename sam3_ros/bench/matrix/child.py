"""Runs a measurement in a process of its own, which may fail, crash or take too long.

A CUDA error leaves a process without its GPU, so each measurement has another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from sam3_ros.core.errors import Sam3RosError

#: Yields results that can be pickled; the last of its arguments is the deadline.
Measure = Callable[..., Iterator[Any]]

#: After its deadline a process may finish what it is measuring, for so many seconds.
GRACE = 5.0
#: How long a process may take to exit, s.
_END = 5.0


@dataclass(frozen=True)
class Ended:
    """Why a process sends no more."""

    #: Empty where it had done everything.
    reason: str = ""
    #: It had to be stopped.
    is_late: bool = False


def in_child(measure: Measure, arguments: tuple[Any, ...], deadline: float) -> Iterator[Any]:
    """Yield what `measure(*arguments, deadline)` yields in a process of its own, then an Ended.

    deadline: of time.monotonic, which all processes of a machine share. A process that still runs
    GRACE seconds later is stopped.
    """
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(sending, measure, arguments, deadline), daemon=True)
    child.start()
    sending.close()
    try:
        yield from _received(receiving, child, deadline + GRACE)
    finally:
        child.terminate()
        child.join(_END)
        if child.is_alive():
            child.kill()
            child.join()
        receiving.close()


def _received(receiving: Connection, child: Any, last_moment: float) -> Iterator[Any]:
    while True:
        if not receiving.poll(max(0.0, last_moment - time.monotonic())):
            yield Ended("it took longer than its share of the time", is_late=True)
            return
        try:
            found = receiving.recv()
        except EOFError:
            child.join(_END)
            yield Ended(f"its process ended with code {child.exitcode}")
            return
        if isinstance(found, Ended):
            child.join(_END)
            yield found
            return
        yield found


def _run(
    sending: Connection, measure: Measure, arguments: tuple[Any, ...], deadline: float
) -> None:
    try:
        for found in measure(*arguments, deadline):
            sending.send(found)
    except Exception as error:  # whatever an engine raises is the reason
        sending.send(Ended(told(error)))
    else:
        sending.send(Ended())


def told(error: Exception) -> str:
    """Return an error in one line."""
    text = str(error) if isinstance(error, Sam3RosError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
