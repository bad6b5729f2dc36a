"""What the core tells by Python's own logging, in a node's log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CORE = logging.getLogger("sam3_ros.core")


class _ToNode(logging.Handler):
    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        # Each from a line of its own: rclpy keeps one severity per line of code.
        if record.levelno >= logging.ERROR:
            self._logger.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        else:
            self._logger.info(record.getMessage())


@contextmanager
def core_log_in(logger: Any) -> Iterator[None]:
    """Within the block it goes to rclpy's logger."""
    handler, level = _ToNode(logger), _CORE.level
    _CORE.addHandler(handler)
    _CORE.setLevel(logging.INFO)
    try:
        yield
    finally:
        _CORE.setLevel(level)
        _CORE.removeHandler(handler)
