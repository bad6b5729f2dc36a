"""The topic commands: list topics, echo messages, measure rates."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam3_ros.topics.listening import TopicInfo, listen, topic_node, topics_of
from sam3_ros.topics.message_text import message_text

Write = Callable[[str], None]
_OUR_OWN = ("/rosout", "/parameter_events")
_RATE_SECONDS = 1.0


@dataclass(frozen=True)
class Rate:
    """The rate of the messages in a window; periods in seconds."""

    hertz: float
    shortest: float
    longest: float
    deviation: float
    messages: int

    def __str__(self) -> str:
        return (
            f"{self.hertz:.3f} Hz over {self.messages} messages; between two: "
            f"{self.shortest * 1000:.1f} to {self.longest * 1000:.1f} ms, "
            f"standard deviation {self.deviation * 1000:.1f} ms"
        )


class RateWindow:
    """The last `size` times of arrival, s of a monotonic clock."""

    def __init__(self, size: int) -> None:
        """Start an empty window. Raises ValueError for a size below 2."""
        if size < 2:
            raise ValueError(f"a rate needs a window of 2 messages or more, got {size}")
        self._times: deque[float] = deque(maxlen=size)

    def add(self, now: float) -> None:
        self._times.append(now)

    def rate(self) -> Rate | None:
        """Return the rate; None before two messages."""
        if len(self._times) < 2:
            return None
        periods = np.diff(np.asarray(self._times))
        mean = float(periods.mean())
        return Rate(
            hertz=1 / mean if mean > 0 else float("inf"),
            shortest=float(periods.min()),
            longest=float(periods.max()),
            deviation=float(periods.std()),
            messages=len(self._times),
        )


def list_topics(seconds: float, show_all: bool) -> list[TopicInfo]:
    """Return the topics found within some seconds. show_all: also those that every node has."""
    with topic_node() as (node, _):
        time.sleep(seconds)
        return [t for t in topics_of(node) if show_all or t.name not in _OUR_OWN]


def echo_topic(topic: str, count: int | None, longest: int, patience: float, write: Write) -> None:
    """Write each message as text, then a line `---`. count: messages to show; None for no end."""
    shown = 0

    def show(message: Any) -> None:
        nonlocal shown
        if count is None or shown < count:
            shown += 1
            write(f"{message_text(message, longest)}\n---")

    with topic_node() as (node, context):
        is_done = (lambda: False) if count is None else (lambda: shown >= count)
        listen(node, context, topic, show, is_done, patience=patience)


def measure_rate(
    topic: str, window_size: int, count: int | None, patience: float, write: Write
) -> None:
    """Write a line each second. count: messages after which to stop; None for no end."""
    window = RateWindow(window_size)
    come = 0
    next_line = time.monotonic() + _RATE_SECONDS

    def take(_: bytes) -> None:
        nonlocal come
        come += 1
        window.add(time.monotonic())

    def is_done() -> bool:
        nonlocal next_line
        finished = count is not None and come >= count
        if finished or time.monotonic() >= next_line:
            next_line += _RATE_SECONDS
            rate = window.rate()
            write("no two messages yet" if rate is None else str(rate))
        return finished

    with topic_node() as (node, context):
        listen(node, context, topic, take, is_done, patience=patience, raw=True)
