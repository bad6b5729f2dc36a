"""Where the time of an answer went, as a message."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sam3_ros.msg import FrameTiming, StageTime
from sam3_ros.ros.answers.answer import Answer


def timing_message(answer: Answer, more_stages: Mapping[str, float]) -> FrameTiming:
    """Up to now. more_stages: seconds by step of what was done once the answer was known."""
    return FrameTiming(
        header=answer.header,
        total_milliseconds=1e3 * (time.monotonic() - answer.received),
        waited_milliseconds=1e3 * answer.waited,
        stages=[
            StageTime(stage=stage, milliseconds=1e3 * seconds)
            for stage, seconds in {**answer.stages, **more_stages}.items()
        ],
    )
