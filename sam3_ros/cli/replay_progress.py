"""How far a replay is, on the terminal's error stream."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from sam3_ros.replay.play.playback import Progress

_TERMINAL_SECONDS, _FILE_SECONDS = 0.2, 2.0
_BAR = 30


class ProgressLine:
    """One line that is written over on a terminal; a line every two seconds into a file."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._on_terminal = self._stream.isatty()
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_TERMINAL_SECONDS if self._on_terminal else _FILE_SECONDS)
        self.say(_line(progress))

    def say(self, line: str) -> None:
        # \033[K clears what a longer line left.
        self._stream.write(f"\r{line}\033[K" if self._on_terminal else f"{line}\n")
        self._stream.flush()

    def close(self) -> None:
        if self._on_terminal:
            self.say("")


def _line(progress: Progress) -> str:
    part = min(progress.at / progress.seconds, 1.0) if progress.seconds else 1.0
    bar = "#" * round(part * _BAR)
    return (
        f"[{bar:<{_BAR}}] {progress.at:5.1f} of {progress.seconds:.1f} s, "
        f"{progress.sent} frames in, {progress.answered} answered"
    )
