"""Running a replay for a command: progress, table or JSON, exit code, no child left behind."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sam3_ros.cli.replay_progress import ProgressLine

if TYPE_CHECKING:
    from sam3_ros.replay.play.playback import Progress
    from sam3_ros.replay.report.report import ReplayReport

    OnProgress = Callable[[Progress], None]

Outcome = TypeVar("Outcome")

INCOMPLETE, NODE_FAILED = 1, 2
TERMINATED = 128 + signal.SIGTERM


def run_and_tell(run: Callable[[OnProgress], ReplayReport], json_to: str | None) -> int:
    """json_to: as in `tell`. The exit code: 0; 1 if a frame's fate is unknown or an answer has a
    wrong header; 2 if the node failed. Other errors go through.
    """
    from sam3_ros.replay.report.table import report_table

    report = run_watched(run)
    if report is None:
        return NODE_FAILED
    tell(report_table(report), report.document(), json_to)
    if report.frames.answered * 2 < report.frames.sent:
        print("sam3-ros: most frames came too fast for this machine: try --rate", file=sys.stderr)
    if not report.complete:
        print("sam3-ros: not every frame is accounted for", file=sys.stderr)
    return 0 if report.complete else INCOMPLETE


def run_watched(run: Callable[[OnProgress], Outcome]) -> Outcome | None:
    """What `run` returns, with its progress shown; None if the node failed, which is told."""
    from sam3_ros.replay.under_test.child import NodeFailedError

    progress = ProgressLine()
    progress.say("reading the bag and waiting for the node")
    try:
        with ended_by_sigterm():
            return run(progress)
    except NodeFailedError as error:
        # Its words stay on lines of their own.
        progress.close()
        print(f"sam3-ros: error: {error}", file=sys.stderr)
        return None
    finally:
        progress.close()


def tell(table: str, document: Mapping[str, Any], json_to: str | None) -> None:
    """Print the table. json_to: a file that gets the document, or "-" to print it instead."""
    text = json.dumps(document, indent=2)
    print(text if json_to == "-" else table)
    if json_to is not None and json_to != "-":
        path = Path(json_to)
        path.write_text(f"{text}\n", encoding="utf-8")


def tell_unanswered(report: ReplayReport) -> None:
    """Which prompts were not asked, or no longer: golden frames do not show why they are empty."""
    from sam3_ros.replay.report.table import unasked_prompts

    for line in unasked_prompts(report):
        print(f"sam3-ros: {line}", file=sys.stderr)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that the node is stopped, as Ctrl-C does."""

    def end(*_: object) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
