"""How far a command is, on the error stream: standard output is for the result."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from sam3_ros.core.visible_text import visible

if TYPE_CHECKING:
    from sam3_ros.replay.play.schedule import ReplayProgress

_TERMINAL_SECONDS, _FILE_SECONDS = 0.2, 2.0
_BAR = 30
_FIRST_RUNS = logging.getLogger("sam3_ros.core.trial")


def print_step(line: str) -> None:
    """Print a step of work that takes minutes, on a line of its own."""
    print(visible(line), file=sys.stderr, flush=True)


@contextmanager
def first_runs_told() -> Iterator[None]:
    """Print, inside the block, when a bundle runs first in a process of its own, and how long."""
    handler, level = _ToSteps(), _FIRST_RUNS.level
    _FIRST_RUNS.addHandler(handler)
    _FIRST_RUNS.setLevel(logging.INFO)
    try:
        yield
    finally:
        _FIRST_RUNS.removeHandler(handler)
        _FIRST_RUNS.setLevel(level)


class _ToSteps(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_step(record.getMessage())


class ProgressLine:
    """One line that is overwritten on a terminal; in a file a line now and then."""

    def __init__(self, stream: TextIO | None = None, file_seconds: float = _FILE_SECONDS) -> None:
        """file_seconds: from one line of a file to the next."""
        self._stream = stream or sys.stderr
        self._file_seconds = file_seconds
        self._on_terminal = self._stream.isatty()
        self._next = 0.0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, progress: ReplayProgress) -> None:
        """Show how far the replay is: a bar, seconds of the bag, and frames."""
        part = min(progress.at / progress.seconds, 1.0) if progress.seconds else 1.0
        self.show(
            f"{progress.at:5.1f} of {progress.seconds:.1f} s, "
            f"{progress.sent} frames in, {progress.answered} answered",
            part,
        )

    def show(self, figures: str, part: float) -> None:
        """Show a bar that is full at part 1, and figures; not more often than can be read."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_TERMINAL_SECONDS if self._on_terminal else self._file_seconds)
        if self._on_terminal:
            self._overwrite(figures, part)
        else:
            self._print(f"[{'#' * round(part * _BAR):<{_BAR}}] {figures}")

    def say(self, line: str) -> None:
        """Show what is being done."""
        if self._on_terminal:
            self._overwrite(line)
        else:
            self._print(line)

    def close(self) -> None:
        """Clear the line on a terminal."""
        if self._on_terminal:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _print(self, line: str) -> None:
        self._stream.write(f"{visible(line)}\n")
        self._stream.flush()

    def _overwrite(self, text: str, part: float | None = None) -> None:
        """Write over the line, cut at the terminal's edge; with a bar that is full at part 1.

        rich's live display would hide the cursor, and leave it hidden if a signal ends us.
        """
        from rich.console import Console
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        console = Console(file=self._stream, highlight=False, emoji=False)
        with console.capture() as captured:
            room = console.width - 1
            if part is not None:
                console.print(ProgressBar(1.0, part, width=_BAR), end=" ")
                room -= _BAR + 1
            shown = Text(visible(" ".join(text.splitlines())), no_wrap=True)
            shown.truncate(max(room, 1), overflow="ellipsis")
            console.print(shown, end="", soft_wrap=True)
        self._stream.write(f"\r{captured.get()}\033[K")  # \033[K clears what a longer line left
        self._stream.flush()
