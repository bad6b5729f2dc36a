"""What waits for the inference thread: clicks, calls, and the newest frame of each camera."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

from sam3_ros.core.errors import PromptError
from sam3_ros.ros.frames.one_shot import OneShot
from sam3_ros.ros.frames.work import Clicks, Frame, LateDepth, Tidy, Work
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.prompts.active import ActivePrompt

# More than a person or a planner asks at once: a flood is refused, not kept.
MOST_CLICKS = 64
MOST_CALLS = 16
# The images that calls bring wait with them: one of any size, but not sixteen of 150 MB.
MOST_CALL_BYTES = 128 * 2**20
# A flood of clicks or calls must not keep the cameras from being answered.
CLICKS_IN_A_ROW = 8


class FrameQueue:
    """At most one frame of each camera, replaced by a newer one; putting never waits.

    Clicks and calls, and the frames that they are about, go first: CLICKS_IN_A_ROW of them, then a
    frame of the camera that was served least recently. A frame that one of them is about is no
    longer replaced.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(NodeLock.FRAME_QUEUE.make())
        self._newest: dict[str, Frame] = {}
        self._awaited: deque[Frame] = deque()
        self._clicks: list[Clicks] = []
        self._calls: deque[OneShot] = deque()
        self._in_work: Work | None = None
        self._turns: dict[str, int] = {}
        self._turn = self._clicks_in_a_row = 0
        self._closed = self._is_untidy = self._has_late_depth = False

    def put(self, frame: Frame) -> Frame | None:
        """Add a frame. Return the one that is not taken: the older one, or this one if closed."""
        with self._changed:
            if self._closed:
                return frame
            superseded = self._newest.get(frame.camera)
            self._newest[frame.camera] = frame
            self._changed.notify()
            return superseded

    def require_room(self, count: int) -> None:
        """Raise PromptError if this many more calls of put_clicks would be too many."""
        with self._changed:
            self._require_room(count)

    def put_clicks(self, prompts: tuple[ActivePrompt, ...], camera: str, stamp_ns: int) -> None:
        """Add clicks on the frame of that stamp. Raises PromptError if too many wait."""
        with self._changed:
            self._require_room(1)
            self._clicks.append(Clicks(camera, stamp_ns, prompts, time.monotonic()))
            frame = self._newest.get(camera)
            if frame is not None and frame.stamp_ns == stamp_ns:
                self._awaited.append(self._newest.pop(camera))
            self._changed.notify()

    def put_call(self, call: OneShot) -> None:
        """Add a call; its camera's newest frame goes before it.

        Raises PromptError if too many wait, or images that are too large together.
        """
        with self._changed:
            if len(self._calls) >= MOST_CALLS or self._closed:
                raise PromptError(
                    f"{len(self._calls)} calls wait for their answers already: call again once "
                    "some are answered"
                )
            waiting, more = sum(map(_image_bytes, self._calls)), _image_bytes(call)
            if waiting and more and waiting + more > MOST_CALL_BYTES:
                raise PromptError(
                    f"calls with images of {waiting} bytes wait for their answers already, and "
                    f"this one has {more}, together more than {MOST_CALL_BYTES}: call again once "
                    "some are answered"
                )
            self._calls.append(call)
            if call.image is None and call.camera in self._newest:
                self._awaited.append(self._newest.pop(call.camera))
            self._changed.notify()

    def put_tidy(self) -> None:
        """Have things tidied once nothing else waits."""
        with self._changed:
            self._is_untidy = True
            self._changed.notify()

    def put_late_depth(self) -> None:
        """Have answers looked at that wait for their depth, before all else: it takes little."""
        with self._changed:
            self._has_late_depth = True
            self._changed.notify()

    def take(self) -> Work | None:
        """Wait for work and return it, None once closed.

        Taking marks the previous work as done.
        """
        with self._changed:
            self._in_work = None
            self._changed.wait_for(
                lambda: self._closed or self._is_untidy or self._has_late_depth or self._has_more()
            )
            self._in_work = None if self._closed else self._next()
            return self._in_work

    def clear(self) -> tuple[Work, ...]:
        """Remove and return all that waits."""
        with self._changed:
            return self._emptied()

    def close(self) -> tuple[Work, ...]:
        """Let take() return None from now on; remove and return all that waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._emptied()

    def stamps(self, camera: str) -> list[int]:
        """Return the stamps, ns, of the camera's frames in work and waiting, oldest first."""
        with self._changed:
            frames = sorted(self._frames(), key=lambda frame: frame.received)
            return [frame.stamp_ns for frame in frames if frame.camera == camera]

    def waiting_since(self, camera: str) -> float | None:
        """Return when the camera's oldest waiting frame came, time.monotonic() s; None if none."""
        with self._changed:
            waiting = (*self._awaited, *self._newest.values())
            return min((f.received for f in waiting if f.camera == camera), default=None)

    def clicks(self) -> tuple[int, float | None]:
        """Return how many clicks wait, and since which time.monotonic() the oldest does."""
        with self._changed:
            count = sum(len(clicks.prompts) for clicks in self._clicks)
            return count, min((clicks.received for clicks in self._clicks), default=None)

    def calls(self) -> int:
        """Return how many calls wait."""
        with self._changed:
            return len(self._calls)

    def _require_room(self, count: int) -> None:
        waiting = len(self._clicks)
        if waiting + count > MOST_CLICKS or self._closed:
            raise PromptError(
                f"{waiting} clicks wait for their answers already: send them more slowly"
            )

    def _frames(self) -> Iterator[Frame]:
        if isinstance(self._in_work, Frame):
            yield self._in_work
        yield from self._awaited
        yield from self._newest.values()

    def _has_more(self) -> bool:
        return bool(self._clicks or self._calls or self._awaited or self._newest)

    def _next(self) -> Work:
        if self._has_late_depth:
            self._has_late_depth = False
            return LateDepth()
        if not self._has_more():
            self._is_untidy = False
            return Tidy()
        # A frame that clicks or calls wait for goes before them, and before a later one of its
        # camera.
        awaited = {frame.camera for frame in self._awaited}
        waiting = [camera for camera in self._newest if camera not in awaited]
        clicks_first = self._clicks_in_a_row < CLICKS_IN_A_ROW or not waiting
        if clicks_first and (self._awaited or self._clicks or self._calls):
            self._clicks_in_a_row += 1
            return self._first_asked()
        self._clicks_in_a_row = 0
        turns = self._turns
        camera = min(waiting, key=lambda c: (turns.get(c, 0), self._newest[c].received))
        return self._served(self._newest.pop(camera))

    def _first_asked(self) -> Work:
        """Remove and return the frame that is asked about, else the clicks or call that waited."""
        if self._awaited:
            return self._served(self._awaited.popleft())
        if not self._clicks:
            return self._calls.popleft()
        if self._calls and self._calls[0].received < self._clicks[0].received:
            return self._calls.popleft()
        return self._clicks_of_one_frame()

    def _clicks_of_one_frame(self) -> Clicks:
        """Remove and return the oldest with all others on its frame, for a single answer."""
        first = self._clicks[0]
        name = (first.camera, first.stamp_ns)
        same = [clicks for clicks in self._clicks if (clicks.camera, clicks.stamp_ns) == name]
        self._clicks = [clicks for clicks in self._clicks if clicks not in same]
        prompts = tuple(active for clicks in same for active in clicks.prompts)
        return Clicks(*name, prompts, first.received)

    def _served(self, frame: Frame) -> Frame:
        self._turn += 1
        self._turns[frame.camera] = self._turn
        return frame

    def _emptied(self) -> tuple[Work, ...]:
        frames = (*self._awaited, *self._newest.values())
        waited: tuple[Work, ...] = (*frames, *self._clicks, *self._calls)
        self._awaited.clear()
        self._newest.clear()
        self._clicks.clear()
        self._calls.clear()
        return waited


def _image_bytes(call: OneShot) -> int:
    return 0 if call.image is None else len(call.image.data)
