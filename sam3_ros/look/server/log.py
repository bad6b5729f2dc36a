"""What the server's libraries log, in single lines and few: strangers can make them log at will."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from sam3_ros.core.visible_text import visible
from sam3_ros.look.server.allowance import Allowance

# The two that end with "server" have handlers of their own.
_LOGGERS = (
    *("uvicorn", "nicegui", "socketio", "socketio.server", "engineio", "engineio.server"),
    *("websockets", "asyncio", "fastapi"),
)
# What uvicorn says of each websocket that the guard refuses, such as one of a tab left open.
_OF_REFUSED = "without completing handshake"
_LINES_A_SECOND, _LINES_AT_ONCE = 0.2, 20
_LONGEST = 300


class _ShortLines(logging.Handler):
    """Writes a record in one line to stderr, an exception by its text and place."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._allowance = Allowance(_LINES_A_SECOND, _LINES_AT_ONCE)

    def emit(self, record: logging.LogRecord) -> None:
        if _OF_REFUSED in str(record.msg) or not self._allowance.take():
            return
        text = _exception(record) or record.getMessage()
        line = visible(" ".join(text.split()))[:_LONGEST]
        source = record.name.partition(".")[0]
        print(f"sam3-ros: {record.levelname.lower()} of {source}: {line}", file=sys.stderr)


def _exception(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ""
    places = traceback.extract_tb(error.__traceback__)
    place = f" ({places[-1].filename}:{places[-1].lineno})" if places else ""
    return f"{type(error).__name__}: {error}{place}"


@contextmanager
def short_log() -> Iterator[None]:
    """Let the libraries log so inside the block."""
    handler = _ShortLines()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
