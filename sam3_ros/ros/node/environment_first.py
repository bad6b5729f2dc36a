"""Ends the process with a sentence where importing rclpy would end it without one.

Imported before rclpy is. Such are a middleware that is not installed (rcl exits with 102) and a
/dev/shm that is full (the tracing library that rclpy loads gets SIGBUS).
"""

from __future__ import annotations

import os
import sys

from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.ros.environment import RosEnvironmentError, check_ros_environment

try:
    check_ros_environment(os.environ)
except RosEnvironmentError as error:
    print(f"the node cannot start: {error}", file=sys.stderr)
    raise SystemExit(int(ExitCode.REFUSED)) from None
