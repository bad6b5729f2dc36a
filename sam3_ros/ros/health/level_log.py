"""Says in the log when something gets worse or better, and not more often than people can read."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

# What comes and goes each second is told once in so many, as it is then.
SECONDS_BETWEEN_LOGS = 5.0


class LevelLog:
    """Remembers the level of each status that was logged last; all are well at first."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._logged: dict[str, tuple[bytes, float]] = {}

    def tell(self, status: DiagnosticStatus) -> None:
        level, when = self._logged.get(status.name, (DiagnosticStatus.OK, float("-inf")))
        now = time.monotonic()
        if status.level == level or now - when < SECONDS_BETWEEN_LOGS:
            return
        self._logged[status.name] = (status.level, now)
        words = _words(status)
        # Each from a line of its own: rclpy keeps one severity per line of code.
        if status.level == DiagnosticStatus.ERROR:
            self._logger.error(words)
        elif status.level == DiagnosticStatus.WARN:
            self._logger.warning(words)
        else:
            self._logger.info(words)

    def forget(self) -> None:
        """The node is not active any more, which is told elsewhere."""
        self._logged.clear()


def _words(status: DiagnosticStatus) -> str:
    """The logger names the node; the camera is told where there is one."""
    of = status.name.rpartition(": ")[2]
    return f"{of}: {status.message}" if of.startswith("camera ") else status.message
