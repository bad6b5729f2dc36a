"""The one thread that answers frames and clicks, and the account of what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from sam3_ros.core.errors import ImageError, PromptError, Sam3RosError
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError, FrameLedger
from sam3_ros.ros.frames.out_of_memory import is_out_of_memory
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.rate_limit import RateLimit
from sam3_ros.ros.frames.work import CameraMessage, Clicks, Frame, Work
from sam3_ros.ros.stamps import seconds_since
from sam3_ros.ros.throttled_log import THROTTLED

_INACTIVE = "the node became inactive before it was answered: ask again once it is active"


class Answerer(Protocol):
    """What the thread has done; see FrameAnswerer."""

    def answer(self, frame: Frame) -> None: ...

    def answer_clicks(self, clicks: Clicks) -> int: ...

    def give_up(self, clicks: Clicks, reason: str) -> None: ...

    def make_room(self) -> None: ...


class InferenceWorker:
    """Frames in by receive(), never waiting; answers from its thread, newest frame first.

    ledgers: by camera. max_rate: as the parameter is now. now_ns: of the clock that the images'
    stamps are of. clicks_at_once: how many were answered.
    """

    def __init__(
        self,
        answerer: Answerer,
        queue: FrameQueue,
        ledgers: Mapping[str, FrameLedger],
        activity: Activity,
        logger: Any,
        max_rate: Callable[[], float] = lambda: 0.0,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._answerer = answerer
        self._queue = queue
        self._ledgers = ledgers
        self._activity = activity
        self._logger = logger
        self._limits = {camera: RateLimit(max_rate) for camera in ledgers}
        self._now_ns = now_ns
        self._received: dict[str, float] = {}
        self._failure: tuple[str, float] | None = None
        self.clicks_at_once = 0
        # A daemon: a session that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def receive(self, message: CameraMessage, camera: str = "") -> None:
        """The subscription's callback."""
        frame, ledger = Frame(message, camera), self._ledgers[camera]
        self._received[camera] = frame.received
        ledger.count_received()
        if not self._activity.is_active:
            ledger.count_dropped(DropReason.NOT_ACTIVE)
        elif not self._limits[camera].admits(frame.received):
            ledger.count_dropped(DropReason.RATE_LIMIT)
        elif self._queue.put(frame) is not None:
            ledger.count_dropped(DropReason.SUPERSEDED)

    def silent_for(self, camera: str) -> float | None:
        """Seconds since its last image came, None before the first."""
        last = self._received.get(camera)
        return None if last is None else time.monotonic() - last

    @property
    def last_error(self) -> str:
        """Why the last frame or click that failed did, and how long ago; empty if none did."""
        if self._failure is None:
            return ""
        text, when = self._failure
        return f"{text} ({time.monotonic() - when:.0f} s ago)"

    def discard(self) -> None:
        """Drop what waits, for the node is no longer active."""
        self._drop(self._queue.clear())

    def stop(self, timeout: float) -> bool:
        """End the thread after the frame in work. False if that took longer than the timeout, s."""
        self._drop(self._queue.close())
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _drop(self, waited: Iterable[Work]) -> None:
        for work in waited:
            if isinstance(work, Clicks):
                self._answerer.give_up(work, _INACTIVE)
            else:
                self._ledgers[work.camera].count_dropped(DropReason.NOT_ACTIVE)

    def _run(self) -> None:
        while (work := self._queue.take()) is not None:
            self._survive(work)

    def _survive(self, work: Work) -> None:
        try:
            if isinstance(work, Clicks):
                self._process_clicks(work)
            else:
                self._process(work)
        except Exception as error:  # to account for it failed too; the next work is due
            self._note("not accounted for", error)

    def _process(self, frame: Frame) -> None:
        ledger = self._ledgers[frame.camera]
        try:
            self._answerer.answer(frame)
        except FrameDroppedError as dropped:
            ledger.count_dropped(dropped.reason)
        except ImageError as error:
            ledger.count_dropped(DropReason.UNDECODABLE)
            self._note("frame dropped", error)
        except Exception as error:  # whatever a backend raises, the next frame may do better
            ledger.count_dropped(self._failed(error))
            self._note("frame dropped, inference failed", error)
        else:
            since_stamp = seconds_since(frame.stamp_ns, self._now_ns())
            ledger.count_answered(time.monotonic() - frame.received, since_stamp)

    def _process_clicks(self, clicks: Clicks) -> None:
        try:
            self.clicks_at_once += self._answerer.answer_clicks(clicks)
        except FrameDroppedError:
            self._answerer.give_up(clicks, _INACTIVE)
        except PromptError as error:
            self._answerer.give_up(clicks, str(error))
        except Exception as error:
            self._failed(error)
            self._note("click not answered", error)
            self._answerer.give_up(clicks, f"it could not be answered: {described(error)}")

    def _failed(self, error: Exception) -> DropReason:
        if not is_out_of_memory(error):
            return DropReason.INFERENCE_FAILED
        self._answerer.make_room()
        return DropReason.OUT_OF_MEMORY

    def _note(self, what: str, error: Exception) -> None:
        self._failure = f"{what}: {described(error)}", time.monotonic()
        # Each from a line of its own: rclpy keeps one severity per line of code.
        if isinstance(error, ImageError):
            self._logger.warning(self._failure[0], **THROTTLED)
        else:
            self._logger.error(self._failure[0], **THROTTLED)


def described(error: BaseException) -> str:
    """The error and what caused it, in one line; our own messages need no class name."""
    text = str(error) if isinstance(error, Sam3RosError) else f"{type(error).__name__}: {error}"
    cause = error.__cause__
    is_said = cause is None or (isinstance(cause, Sam3RosError) and str(cause) in text)
    return text if is_said else f"{text} (caused by {described(cause)})"
