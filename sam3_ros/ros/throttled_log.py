"""How often a message may be logged that could come with every frame or prompt."""

from __future__ import annotations

from typing import Any

from rclpy.clock import Clock, ClockType

#: Arguments for rclpy's loggers. Their default is the system's clock: set back by an hour, it would
#: silence the message for an hour.
_STEADY = Clock(clock_type=ClockType.STEADY_TIME)
THROTTLED: dict[str, Any] = {
    "throttle_duration_sec": 5.0,
    "throttle_time_source_type": _STEADY,
}
#: For what goes on until somebody changes the set-up.
THROTTLED_LONG: dict[str, Any] = {**THROTTLED, "throttle_duration_sec": 60.0}
