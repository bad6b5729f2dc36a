"""How far a labelling is, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sam3_ros.cli.progress import ProgressLine

if TYPE_CHECKING:
    from sam3_ros.label.run.report import LabelProgress

_MINUTE = 60


class LabelProgressLine:
    """A line with frames, frames a second, time left, bags done and objects found."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line

    def looking(self, at: int, total: int) -> None:
        """Show how many sources have been looked into."""
        self._line.show(f"looking into {at + 1} of {total}", at / total)

    def labelling(self, progress: LabelProgress) -> None:
        """Show how far it is."""
        part = progress.frames / progress.frames_total if progress.frames_total else 1.0
        self._line.show(described(progress), part)

    def writing(self, what: str) -> None:
        """Show which output is being written."""
        self._line.say(f"writing {what}")


def described(progress: LabelProgress) -> str:
    """Return a line for people."""
    parts = [f"{progress.frames} of {progress.frames_total} frames"]
    if progress.frames_per_second is not None:
        parts.append(f"{progress.frames_per_second:.1f} a second")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    parts.append(f"{progress.sources} of {progress.sources_total} bags")
    parts.append(f"{progress.objects} objects")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return "5 s", "3:05 min" or "2:03 h"."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes}:{rest:02} min"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02} h"
