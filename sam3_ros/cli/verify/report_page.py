"""`sam3-ros verify --report`: a page that a user can send back, so that others know what works.

It holds no folder of the user's and no picture: names of files, sums, versions, figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros import __version__
from sam3_ros.cli.command import prepare_output
from sam3_ros.cli.out_folder import require_absent
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.markdown import code, markdown_table, plain
from sam3_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.export.verification.report import Figure, VerificationReport

#: How each page begins.
TITLE = "# Verification report"
_FAILED_TOLD = 20
#: The end of the name of a list of several files.
_INDEX = ".index.json"
_TOOLS = ("torch", "transformers", "onnx")
#: Of a manifest's source, what names the weights, the best first.
_SHA256, _ADDRESS, _FILE, _SEED = (
    *("checkpoint_sha256", "checkpoint_address"),
    *("checkpoint", "random_seed"),
)


@dataclass(frozen=True)
class ComparedWith:
    """What the bundle was held against."""

    #: In words.
    what: str
    #: The same in a word or two.
    short: str
    #: The checkpoint that was read again; None without one.
    checkpoint: Path | None = None


def add_report_option(parser: argparse.ArgumentParser) -> None:
    """Declare --report."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write a page (Markdown) to send back: versions, machine, sha256 of the "
        "checkpoint, figures, verdict; nothing is overwritten",
    )


def require_report(options: argparse.Namespace) -> None:
    """Check before minutes of work that the page can be written.

    Raises OutputExistsError for a file that exists, Sam3RosError beside --against, OSError.
    """
    if options.report is None:
        return
    if options.against is not None:
        raise Sam3RosError("--report does not go with --against: it tells of one bundle")
    require_absent(options.report, force=None)
    prepare_output(options.report)


def compared_with(options: argparse.Namespace, checkpoint: Path | None) -> ComparedWith:
    """Return in words what the options compare the bundle with."""
    parts = {}
    if options.reference is not None:
        parts["original's answers"] = "answers of the original's own code"
    if checkpoint is not None or options.rebuild:
        by = "the seed" if checkpoint is None else "the checkpoint"
        parts["PyTorch"] = f"PyTorch, built again from {by}, stage by stage and end to end"
    if not parts:
        parts["recorded answers"] = "the answers of PyTorch that the export kept in the bundle"
    return ComparedWith("; ".join(parts.values()), ", ".join(parts), checkpoint)


def write_report(
    path: Path, bundle: Bundle, report: VerificationReport, compared: ComparedWith
) -> None:
    """Write the page."""
    from sam3_ros.bench.instruments.facts import facts_of

    given = compared.checkpoint
    sum_of_given = None if given is None else _sum_of(given)
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    parts = (
        _head(bundle, report, compared, made),
        _weights(bundle.manifest.source, given, sum_of_given),
        _checks(report),
        _stages_at_export(bundle),
        _machine({**facts_of("cpu"), **_tools()}),
        _row(bundle, report, compared, made, sum_of_given),
    )
    write_whole(path, "\n".join(line for part in parts for line in part) + "\n")


def _sum_of(checkpoint: Path) -> str:
    """Return a checkpoint's sum as manifests have it: of several files that of their list."""
    from sam3_ros.core.bundle.files import sha256_of

    if checkpoint.is_file() and not checkpoint.name.endswith(_INDEX):
        return sha256_of(checkpoint)
    from sam3_ros.export.checkpoint.file import open_checkpoint

    return open_checkpoint(checkpoint).sha256()


def _head(
    bundle: Bundle, report: VerificationReport, compared: ComparedWith, made: str
) -> Iterator[str]:
    yield f"{TITLE}: {plain(bundle.manifest.name)}"
    yield ""
    yield f"**{_verdict(report)}**, sam3_ros {__version__}, {made}. By: (your name, if you like)"
    yield ""
    rows = [
        ("bundle", plain(bundle.manifest.description or bundle.manifest.name)),
        ("licence of the weights", plain(bundle.manifest.licence)),
        ("compared with", compared.what),
        ("precisions", ", ".join(map(plain, bundle.precisions))),
    ]
    yield from markdown_table(("", ""), rows)


def _verdict(report: VerificationReport) -> str:
    failed = sum(not figure.passed for figure in report.figures)
    if failed:
        return f"FAILED: {failed} of {len(report.figures)} figures are above their limits"
    return f"verified: all {len(report.figures)} figures are within their limits"


def _weights(
    source: Mapping[str, str], given: Path | None, sum_of_given: str | None
) -> Iterator[str]:
    from sam3_ros.core.bundle.card import told_source

    yield from ("", "## Weights", "")
    if _SEED in source:
        yield "Random weights: this report says nothing of a published file."
        yield ""
    rows = [(plain(name), code(value)) for name, value in told_source(source)]
    if given is not None:
        rows.append(("file that was read again", code(given.name)))
    if sum_of_given is not None:
        known = source.get(_SHA256)
        same = "as in the manifest" if sum_of_given == known else "NOT that of the manifest"
        same = same if known else "the manifest has none"
        rows.append(("its sha256", f"{code(sum_of_given)}, {same}"))
    if rows:
        yield from markdown_table(("", ""), rows)
    else:
        yield "The manifest does not say where they come from."


def _checks(report: VerificationReport) -> Iterator[str]:
    yield from ("", "## Figures", "")
    headings = ("check", "figures", "failed", "the one nearest to its limit", "figure", "limit")
    by_check = [
        (check, list(figures)) for check, figures in groupby(report.figures, lambda f: f.check)
    ]
    yield from markdown_table(headings, [_check_row(check, all_) for check, all_ in by_check])
    stages = [f for f in report.figures if f.check.startswith("stage")]
    if stages:
        yield from ("", "Stage by stage:", "")
        yield from markdown_table(
            ("stage: output", "difference", "limit", ""), map(_figure_row, stages)
        )
    if failed := [figure for figure in report.figures if not figure.passed]:
        yield from ("", f"Failed ({min(len(failed), _FAILED_TOLD)} of {len(failed)}):", "")
        yield from markdown_table(
            ("what", "figure", "limit", ""), map(_figure_row, failed[:_FAILED_TOLD])
        )
    if report.skipped:
        yield ""
        yield from (f"- not compared: {plain(s.case)}: {plain(s.reason)}" for s in report.skipped)


def _check_row(check: str, figures: Sequence[Figure]) -> tuple[str, ...]:
    failed = sum(not figure.passed for figure in figures)
    worst = max(figures, key=_nearness)
    return (
        plain(check),
        str(len(figures)),
        str(failed),
        plain(worst.what),
        f"{worst.figure:.3g}",
        f"{worst.limit:.3g}",
    )


def _nearness(figure: Figure) -> float:
    """Return how near a figure is to its limit: 1 at it, more beyond it."""
    if figure.at_least:
        distance, allowed = 1 - figure.figure, 1 - figure.limit
    else:
        distance, allowed = figure.figure, figure.limit
    if figure.passed:
        return min(distance / allowed, 1.0) if allowed > 0 else 0.0
    return 2.0 + min(max(distance, 0.0), 1e9)


def _figure_row(figure: Figure) -> tuple[str, ...]:
    what = figure.what if figure.check.startswith("stage") else f"{figure.check}, {figure.what}"
    verdict = "ok" if figure.passed else "FAILED"
    return plain(what), f"{figure.figure:.3g}", f"{figure.limit:.3g}", verdict


def _stages_at_export(bundle: Bundle) -> Iterator[str]:
    from sam3_ros.core.bundle.verification import stage_figures

    rows = [
        (plain(name), f"{largest:.3g}", "" if limit is None else f"{limit:.3g}")
        for name, largest, limit in stage_figures(bundle.manifest.verification)
        if isinstance(largest, (int, float))
    ]
    if rows:
        yield from ("", "## Stages, as the export compared them with PyTorch", "")
        yield from markdown_table(("stage", "largest difference", "limit"), rows)


def _machine(facts: Mapping[str, str]) -> Iterator[str]:
    yield from ("", "## Machine", "")
    yield from markdown_table(("", ""), [(plain(n), plain(v)) for n, v in facts.items()])


def _tools() -> dict[str, str]:
    """Return the versions of what an export needs, as far as it is installed."""
    installed = {each.name.lower(): each.version for each in metadata.distributions()}
    return {name: installed[name] for name in _TOOLS if name in installed}


def _row(
    bundle: Bundle,
    report: VerificationReport,
    compared: ComparedWith,
    made: str,
    sum_of_given: str | None,
) -> Iterator[str]:
    """Yield the row for the table of docs/models.md."""
    source = bundle.manifest.source
    yield from ("", "## For the table of docs/models.md", "")
    if _SEED in source:
        yield "None: the weights are random."
        return
    sha256 = sum_of_given or source.get(_SHA256, "")
    file = source.get(_ADDRESS) or source.get(_FILE) or bundle.manifest.name
    verdict = f"{'verified' if report.passed else 'FAILED'} ({compared.short})"
    cells = (code(file), code(sha256) if sha256 else "not known", __version__, made, "", verdict)
    yield from markdown_table(("file", "sha256", "sam3_ros", "when", "by", "verdict"), [cells])
