"""The one thread that answers frames, clicks and calls, and counts the outcome of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from sam3_ros.core.errors import ImageError, PromptError
from sam3_ros.ros.error_text import described
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError, FrameLedger
from sam3_ros.ros.frames.one_shot import OneShot
from sam3_ros.ros.frames.out_of_memory import is_out_of_memory
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.work import CameraMessage, Clicks, Frame, LateDepth, Tidy, Work
from sam3_ros.ros.stamps import seconds_since
from sam3_ros.ros.throttled_log import THROTTLED

_INACTIVE = "the node became inactive before it was answered: ask again once it is active"


class Answerer(Protocol):
    """What the thread calls; see FrameAnswerer."""

    def answer(self, frame: Frame) -> None: ...

    def answer_clicks(self, clicks: Clicks) -> int: ...

    def answer_one_shot(self, call: OneShot) -> None: ...

    def give_up(self, clicks: Clicks, reason: str) -> None: ...

    def make_room(self) -> None: ...

    def tidy(self) -> None: ...

    def resume_in_space(self) -> None: ...


class InferenceWorker:
    """Takes frames by receive(), without waiting; its thread answers them, the newest first."""

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
        """Start the thread.

        ledgers: by camera. max_rate: returns the parameter as it is now, frames per second of each
        camera. now_ns: reads the clock of the images' stamps.
        """
        self._answerer = answerer
        self._queue = queue
        self._ledgers = ledgers
        self._activity = activity
        self._logger = logger
        self._limits = {camera: RateLimit(max_rate) for camera in ledgers}
        self._now_ns = now_ns
        self._received: dict[str, float] = {}
        self._failure: tuple[str, float] | None = None
        #: How many clicks were answered on a frame seen before.
        self.clicks_at_once = 0
        #: How many calls of ~/segment were answered.
        self.calls_answered = 0
        # A daemon, so that the process can end while a session hangs.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def receive(self, message: CameraMessage, camera: str = "") -> None:
        """Count a camera's image and queue it; the subscription's callback."""
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
        """Return the seconds since the camera's last image came, None before the first."""
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
        """Drop all that waits, because the node is no longer active."""
        self._drop(self._queue.clear())

    def stop(self, timeout: float) -> bool:
        """End the thread after the frame in work. False if it takes longer than the timeout, s."""
        self._drop(self._queue.close())
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _drop(self, waited: Iterable[Work]) -> None:
        for work in waited:
            if isinstance(work, Clicks):
                self._answerer.give_up(work, _INACTIVE)
            elif isinstance(work, OneShot):
                work.refuse(_INACTIVE)
            elif isinstance(work, Frame):
                self._ledgers[work.camera].count_dropped(DropReason.NOT_ACTIVE)

    def _run(self) -> None:
        while (work := self._queue.take()) is not None:
            self._survive(work)

    def _survive(self, work: Work) -> None:
        try:
            if isinstance(work, Clicks):
                self._process_clicks(work)
            elif isinstance(work, OneShot):
                self._process_call(work)
            elif isinstance(work, Tidy):
                self._answerer.tidy()
            elif isinstance(work, LateDepth):
                self._answerer.resume_in_space()
            else:
                self._process(work)
        except Exception as error:  # counting it failed too; go on with the next
            self._record_failure("not accounted for", error)

    def _process(self, frame: Frame) -> None:
        ledger = self._ledgers[frame.camera]
        try:
            self._answerer.answer(frame)
        except FrameDroppedError as dropped:
            ledger.count_dropped(dropped.reason)
        except ImageError as error:
            ledger.count_dropped(DropReason.UNDECODABLE, described(error))
            self._record_failure("frame dropped", error)
        except Exception as error:  # whatever a backend raises, the next frame may succeed
            ledger.count_dropped(self._drop_reason(error), described(error))
            self._record_failure("frame dropped, inference failed", error)
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
            self._drop_reason(error)
            self._record_failure("click not answered", error)
            self._answerer.give_up(clicks, f"it could not be answered: {described(error)}")

    def _process_call(self, call: OneShot) -> None:
        try:
            self._answerer.answer_one_shot(call)
            self.calls_answered += 1
        except FrameDroppedError:
            call.refuse(_INACTIVE)
        except (ImageError, PromptError) as error:
            call.refuse(str(error))
        except Exception as error:
            self._drop_reason(error)
            self._record_failure("call not answered", error)
            call.refuse(f"it could not be answered: {described(error)}")

    def _drop_reason(self, error: Exception) -> DropReason:
        """Return why inference failed; make room first if memory ran out."""
        if not is_out_of_memory(error):
            return DropReason.INFERENCE_FAILED
        self._answerer.make_room()
        return DropReason.OUT_OF_MEMORY

    def _record_failure(self, what: str, error: Exception) -> None:
        self._failure = f"{what}: {described(error)}", time.monotonic()
        # Two lines: rclpy allows one severity for each line of code.
        if isinstance(error, ImageError):
            self._logger.warning(self._failure[0], **THROTTLED)
        else:
            self._logger.error(self._failure[0], **THROTTLED)


class RateLimit:
    """At most so many frames of a camera per second."""

    def __init__(self, rate: Callable[[], float]) -> None:
        """rate: returns the frames per second as they are now, 0 for no limit."""
        self._rate = rate
        self._next = float("-inf")

    def admits(self, now: float) -> bool:
        """Return whether a frame that came at `now`, time.monotonic() s, may be answered.

        By a schedule instead of the time since the last frame: at 30 Hz a limit of 20 admits two of
        three frames, not every second one.
        """
        rate = self._rate()
        if rate <= 0:
            return True
        if now < self._next:
            return False
        in_time = now < self._next + 1 / rate
        self._next = (self._next if in_time else now) + 1 / rate
        return True
