"""How often a line comes in the log that could come with each frame or message."""

from __future__ import annotations

from typing import Any

from rclpy.clock import Clock, ClockType

# For rclpy's loggers. By default they go by the system's clock: set back by an hour, it would keep
# them silent for as long.
THROTTLED: dict[str, Any] = {
    "throttle_duration_sec": 5.0,
    "throttle_time_source_type": Clock(clock_type=ClockType.STEADY_TIME),
}
