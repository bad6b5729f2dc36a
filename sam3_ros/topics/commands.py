"""What the topic commands do, printed line by line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sam3_ros.topics.listening import listen
from sam3_ros.topics.message_text import message_text
from sam3_ros.topics.rate import RateWindow
from sam3_ros.topics.topic_names import topics_of
from sam3_ros.topics.topic_node import topic_node

Tell = Callable[[str], None]

_OUR_OWN = ("/rosout", "/parameter_events")
_RATE_SECONDS = 1.0


def list_topics(seconds: float, as_json: bool, show_all: bool, tell: Tell) -> None:
    """After looking around for so many seconds. show_all: also what every node brings."""
    with topic_node() as (node, _):
        time.sleep(seconds)
        topics = [t for t in topics_of(node) if show_all or t.name not in _OUR_OWN]
    if as_json:
        tell(json.dumps([asdict(topic) for topic in topics], indent=2))
        return
    width = max((len(topic.name) for topic in topics), default=0)
    for topic in topics:
        tell(
            f"{topic.name:<{width}}  {', '.join(topic.types)}  "
            f"({topic.publishers} publishing, {topic.subscriptions} listening)"
        )


def echo_topic(topic: str, count: int | None, longest: int, patience: float, tell: Tell) -> None:
    """Each message as text with a line `---` after it; count: None without an end."""
    shown = 0

    def show(message: Any) -> None:
        nonlocal shown
        if count is None or shown < count:
            shown += 1
            tell(f"{message_text(message, longest)}\n---")

    with topic_node() as (node, context):
        is_done = (lambda: False) if count is None else (lambda: shown >= count)
        listen(node, context, topic, show, is_done, patience=patience)


def measure_rate(
    topic: str, window_size: int, count: int | None, patience: float, tell: Tell
) -> None:
    """A line each second; count: messages after which to end, None without an end."""
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
            tell("no two messages yet" if rate is None else str(rate))
        return finished

    with topic_node() as (node, context):
        listen(node, context, topic, take, is_done, patience=patience, raw=True)
