"""Starts ROS in this process, with errors that people understand."""

from __future__ import annotations

import os
from collections.abc import Sequence

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from sam3_ros.ros.environment import (
    RosEnvironmentError,
    check_ros_environment,
    explained,
    is_of_parameters,
)


def start_ros(
    arguments: Sequence[str] = (), *, context: Context | None = None, domain_id: int | None = None
) -> None:
    """Call rclpy.init, without its handlers of signals.

    arguments: of the command line; none by default, because those of a tool are not for ROS.
    context: None for the process's own. domain_id: None for that of the environment. Raises
    RosEnvironmentError; rclpy's own error for arguments that it cannot read.
    """
    check_ros_environment(os.environ, domain_id)
    try:
        rclpy.init(
            args=[_as_utf8(each) for each in arguments],
            context=context,
            domain_id=domain_id,
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except RuntimeError as error:  # rclpy's RCLError has no public name
        if "arguments" in str(error).lower() and not is_of_parameters(error):
            raise
        raise RosEnvironmentError(explained(error)) from None  # it says all of the error


def _as_utf8(argument: str) -> str:
    """Return an argument as it was meant: in an ASCII locale Python cannot read its letters."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeEncodeError:  # it is not of the command line
        return argument
    except UnicodeDecodeError:
        raise RosEnvironmentError(
            f"expected arguments in UTF-8, got {os.fsencode(argument)!r}"
        ) from None
