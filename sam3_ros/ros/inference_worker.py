"""The one thread that answers frames, and the account of what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sam3_ros.core.errors import ImageError, Sam3RosError
from sam3_ros.ros.activity import Activity
from sam3_ros.ros.frame_ledger import DropReason, FrameDroppedError, FrameLedger
from sam3_ros.ros.frame_slot import CameraMessage, Frame, NewestFrameSlot

# A camera that sends damaged frames at 30 Hz must not fill the log.
SECONDS_BETWEEN_LOGS = 5.0


class InferenceWorker:
    """Frames in by receive(), never waiting; answers from its thread, newest frame first."""

    def __init__(
        self,
        answer: Callable[[Frame], None],
        ledger: FrameLedger,
        activity: Activity,
        logger: Any,
    ) -> None:
        self._answer = answer
        self._ledger = ledger
        self._activity = activity
        self._logger = logger
        self._slot = NewestFrameSlot()
        # A daemon: a session that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def receive(self, message: CameraMessage) -> None:
        """The subscription's callback."""
        self._ledger.count_received()
        if not self._activity.is_active:
            self._ledger.count_dropped(DropReason.NOT_ACTIVE)
        elif self._slot.put(Frame(message)) is not None:
            self._ledger.count_dropped(DropReason.SUPERSEDED)

    def discard(self) -> None:
        """Drop the frame that waits, for the node is no longer active."""
        if self._slot.clear() is not None:
            self._ledger.count_dropped(DropReason.NOT_ACTIVE)

    def stop(self, timeout: float) -> bool:
        """End the thread after the frame in work. False if that took longer than the timeout, s."""
        if self._slot.close() is not None:
            self._ledger.count_dropped(DropReason.NOT_ACTIVE)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (frame := self._slot.take()) is not None:
            self._process(frame)

    def _process(self, frame: Frame) -> None:
        try:
            self._answer(frame)
        except FrameDroppedError as dropped:
            self._ledger.count_dropped(dropped.reason)
        except ImageError as error:
            self._ledger.count_dropped(DropReason.UNDECODABLE)
            self._logger.warning(
                f"frame dropped: {error}", throttle_duration_sec=SECONDS_BETWEEN_LOGS
            )
        except Exception as error:  # whatever a backend raises, the next frame may do better
            self._ledger.count_dropped(DropReason.INFERENCE_FAILED)
            self._logger.error(
                f"frame dropped, inference failed: {described(error)}",
                throttle_duration_sec=SECONDS_BETWEEN_LOGS,
            )
        else:
            self._ledger.count_answered(time.monotonic() - frame.received)


def described(error: BaseException) -> str:
    """The error and what caused it, in one line; our own messages need no class name."""
    text = str(error) if isinstance(error, Sam3RosError) else f"{type(error).__name__}: {error}"
    cause = error.__cause__
    return f"{text} (caused by {described(cause)})" if cause is not None else text
