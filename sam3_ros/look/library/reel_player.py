"""Plays a reel over and over, at its pace, as long as somebody watches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.look.library.shots import Reel, Shot
from sam3_ros.ros.error_text import described

# What a driver has kept since somebody watched last is old.
_STALE_SHOTS = 4
# Behind its pace by more, as on a machine that slept, it goes on from where it is.
_LATE_S = 1.0
_AGAIN_S = 2.0
_POLL_S = 0.5


class ReelPlayer:
    """A thread that takes the pictures of a reel one after another.

    What nobody watches is not read. Where a reel fails it is told, and tried again.
    """

    def __init__(
        self,
        reel: Reel,
        watched: Callable[[], Collection[str]],
        offer: Callable[[Shot], None],
        on_lap: Callable[[], None],
    ) -> None:
        """watched: returns the cameras that somebody watches. on_lap: it begins again."""
        self._reel = reel
        self._watched = watched
        self._offer = offer
        self._on_lap = on_lap
        self._wake = threading.Event()
        self._is_closed = False
        self._failure = ""
        self._last_offer = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="look player", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why there are no pictures now; empty while there are."""
        return self._failure

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of the reel is lost."""
        return self._reel.remarks

    @property
    def silent_s(self) -> float:
        """Seconds since the last picture, or since somebody watches again."""
        return time.monotonic() - self._last_offer

    def look_again(self) -> None:
        """Take note that who watches has changed."""
        self._wake.set()

    def close(self, timeout: float | None = None) -> None:
        """End it and wait for it."""
        self._is_closed = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._is_closed:
            try:
                count = self._play_lap()
            except (Sam3RosError, OSError) as error:
                self._failure, count = described(error), 0
            if not count:
                self._sleep(_AGAIN_S)
        self._reel.close()

    def _play_lap(self) -> int:
        """Play it once; return the number of pictures."""
        count, stale = 0, 0
        begin: float | None = None
        for shot in self._reel.lap():
            idle = self._wait_for_viewers()
            if self._is_closed:
                return 1
            if begin is None or idle:
                begin = time.monotonic() - shot.at
            stale = _STALE_SHOTS if idle and self._reel.is_live else max(0, stale - 1)
            count += 1
            if not self._reel.is_live:
                begin = self._wait_until_due(begin, shot.at)
            if stale or shot.camera not in self._watched():
                continue
            self._failure = ""
            self._last_offer = time.monotonic()
            self._offer(replace(shot, received=self._last_offer))
        if count:
            self._sleep(self._reel.pause)
            self._on_lap()
        return count

    def _wait_for_viewers(self) -> bool:
        """Wait until somebody watches; return whether that took a while."""
        idle = False
        while not self._is_closed and not self._watched():
            idle = True
            self._wake.wait(_POLL_S)
            self._wake.clear()
        if idle:
            self._last_offer = time.monotonic()
        return idle

    def _wait_until_due(self, begin: float, at: float) -> float:
        """Wait for a picture's time; return when its lap began, later where it cannot keep up."""
        now = time.monotonic()
        if begin + at < now - _LATE_S:
            return now - at
        self._sleep(begin + at - now)
        return begin

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._is_closed and (left := end - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
