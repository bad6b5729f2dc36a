"""Running a replay for a command: progress, table or JSON, exit code, no child left behind."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sam3_ros.cli.replay_progress import ProgressLine

if TYPE_CHECKING:
    from sam3_ros.ros.replay.playback import Progress
    from sam3_ros.ros.replay.report import ReplayReport

INCOMPLETE = 1
TERMINATED = 128 + signal.SIGTERM


def run_and_tell(run: Callable[[Callable[[Progress], None]], ReplayReport], as_json: bool) -> int:
    """0, or 1 if a frame's fate is unknown or an answer has a wrong header. Errors go through."""
    from sam3_ros.ros.replay.report_table import report_table

    progress = ProgressLine()
    try:
        with _ended_by_sigterm():
            report = run(progress)
    finally:
        progress.close()
    print(json.dumps(report.document(), indent=2) if as_json else report_table(report))
    if not report.complete:
        print("sam3-ros: not every frame is accounted for", file=sys.stderr)
    return 0 if report.complete else INCOMPLETE


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that the node is stopped, as Ctrl-C does."""

    def end(*_: object) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
