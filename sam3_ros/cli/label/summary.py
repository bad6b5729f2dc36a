"""What a person reads at the end of a labelling."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sam3_ros.cli.label.progress import duration
from sam3_ros.core.visible_text import visible

if TYPE_CHECKING:
    from sam3_ros.label.run.report import LabelReport, SourceOutcome

_FILES_TOLD, _NAMES_TOLD = 6, 3


def tell(warnings: Iterable[str]) -> None:
    """Print warnings on stderr, each once."""
    for warning in dict.fromkeys(warnings):
        print(f"sam3-ros: warning: {visible(warning)}", file=sys.stderr)


def print_summary(report: LabelReport, out: Path, stream: TextIO) -> None:
    """Print what was labelled; on stderr, a line for all that was not."""
    if report.sources:
        print(_counts(report), file=stream)
        if report.earlier:
            print(f"{report.earlier} more that earlier commands labelled are in it", file=stream)
        print(_written(report, out), file=stream)
    for source in report.sources:
        tell(_losses(source))
    tell(report.remarks)
    for name, reason in report.set_aside:
        print(f"sam3-ros: set aside: {visible(_named(name, reason))}", file=sys.stderr)
    if not report.frames:
        print("sam3-ros: error: nothing could be labelled", file=sys.stderr)


def _named(name: str, reason: str) -> str:
    return reason if reason.startswith(name) else f"{name}: {reason}"


def _counts(report: LabelReport) -> str:
    text = f"{report.frames} frames of {_number(len(report.sources), 'source')}, "
    text += _number(report.objects, "object")
    if report.frames_now and report.seconds:
        text += (
            f"; {report.frames_now} of them now, in {duration(report.seconds)}: "
            f"{report.frames_now / report.seconds:.1f} a second, "
            f"{report.peak_bytes / 1e6:.0f} MB a worker"
        )
    return text if report.frames_now else f"{text}; all of it was labelled before"


def _written(report: LabelReport, out: Path) -> str:
    if not report.written:
        return f"{visible(str(out))} has it all already"
    named = ", ".join(report.written[:_FILES_TOLD])
    more = len(report.written) - _FILES_TOLD
    return (
        f"written to {visible(str(out))}: {visible(named)}{f' and {more} more' if more > 0 else ''}"
    )


def _losses(source: SourceOutcome) -> list[str]:
    said = [f"{source.name}: {remark}" for remark in source.remarks]
    by_reason: dict[str, list[str]] = {}
    for what, why in source.left_out:
        by_reason.setdefault(why, []).append(what)
    said += [
        f"{source.name}: {_first(each)} not labelled: {why}" for why, each in by_reason.items()
    ]
    if source.failed_frames:
        reasons = "; ".join(source.failures)
        said.append(
            f"{source.name}: {source.failed_frames} of {source.frames} images could not be "
            f"answered: {reasons}"
        )
    return said


def _first(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are: a bag may have thousands of chunks."""
    more = len(names) - _NAMES_TOLD
    told = "; ".join(names[:_NAMES_TOLD])
    if more > 0:
        return f"{told} and {more} more are"
    return f"{told} {'is' if len(names) == 1 else 'are'}"


def _number(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
