"""Running a node for a command: progress, result, exit code, no child process left behind."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sam3_ros.cli.out_folder import WRITTEN_BY
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.core.exit_codes import ExitCode
from sam3_ros.core.signals import signals_handled
from sam3_ros.core.visible_text import visible
from sam3_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from sam3_ros.replay.report.report import ReplayReport

Outcome = TypeVar("Outcome")

REPLAY = "sam3-ros replay"
INCOMPLETE, NODE_FAILED = ExitCode.UNSATISFIED, ExitCode.REFUSED


def run_and_print(run: Callable[[ProgressLine], ReplayReport], json_to: str | None) -> int:
    """Run a replay, print its report as `print_result` does, and return the exit code.

    0; 1 if the fate of a frame is unknown, an answer has a wrong header, or nothing was answered; 2
    if the node failed. Other errors are raised.
    """
    from sam3_ros.cli.replay.tables import report_table

    report = run_watched(run)
    if report is None:
        return NODE_FAILED
    print_result(report_table(report), report.document(), json_to)
    print_remarks(report)
    is_answered = report.frames.answered > 0 or report.frames.sent == 0
    return 0 if report.complete and is_answered else INCOMPLETE


def print_remarks(report: ReplayReport) -> None:
    """Print to stderr what a person should know beside the table."""
    from sam3_ros.cli.replay.tables import remark_lines

    for line in remark_lines(report):
        print(f"sam3-ros: {visible(line)}", file=sys.stderr)


def run_watched(
    run: Callable[[ProgressLine], Outcome],
    first_step: str | None = "reading the bag and waiting for the node",
) -> Outcome | None:
    """Return what `run` returns, showing its progress; print why and return None if the node fails.

    SIGTERM unwinds the stack as Ctrl-C does, so that the node is stopped.
    """
    from sam3_ros.replay.under_test.node import NodeFailedError

    def end(*_: object) -> None:
        raise SystemExit(int(ExitCode.TERMINATED))

    try:
        with ProgressLine() as progress, signals_handled(end, signal.SIGTERM):
            if first_step is not None:
                progress.say(first_step)
            return run(progress)
    except NodeFailedError as error:
        for line in f"sam3-ros: error: {error}".splitlines():  # the node's last lines follow
            print(visible(line), file=sys.stderr)
        return None


def print_result(table: str, document: Mapping[str, Any], json_to: str | None) -> None:
    """Print the table. json_to: a file for the document, or "-" to print it instead."""
    text = json.dumps({WRITTEN_BY: REPLAY, **document}, indent=2)
    print(text if json_to == "-" else table)
    if json_to is not None and json_to != "-":
        write_whole(json_to, f"{text}\n")
