"""The segmentation node as a child process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.replay.under_test.child_process import ChildProcess, exit_in_words


class NodeFailedError(Sam3RosError):
    """The node ended, or cannot do its work; the message holds its own words."""


class NodeChild(ChildProcess):
    """`with NodeChild(arguments, log, environment) as child:`"""

    def __init__(
        self, arguments: Sequence[str], log_file: Path, environment: Mapping[str, str]
    ) -> None:
        """arguments: as after `ros2 run sam3_ros segmentation_node`."""
        command = [sys.executable, "-m", "sam3_ros.ros.segmentation_node", *arguments]
        super().__init__(command, log_file, environment)

    def __enter__(self) -> NodeChild:
        return self

    def check(self) -> None:
        """Raise NodeFailedError if the node has ended."""
        code = self.exit_code
        if code is not None:
            raise self.failed(f"the node ended with {exit_in_words(code)}")

    def failed(self, what: str) -> NodeFailedError:
        """An error with what happened and the last of the node's log."""
        return NodeFailedError(self.with_last_words(what))
