"""`sam3-ros verify`: does a bundle compute what the original model computes?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.export.verification.report import VerificationReport

FAILED = 1


def register(commands: Commands) -> None:
    parser = add_command(
        commands,
        "verify",
        "hold a bundle's numbers against the original model's",
        """
        sam3-ros verify my_bundle                          # against the answers kept in it
        sam3-ros verify my_bundle --checkpoint model.pt    # against PyTorch, stage by stage
        sam3-ros verify my_bundle --reference reference/   # against answers of the original code
        """,
        _verify,
    )
    parser.add_argument("bundle", help="a bundle's folder, or the name of an embedded one")
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--checkpoint",
        type=Path,
        help="rebuild the model in PyTorch from this file and compare stage by stage and end to end"
        " (needs the extra [export])",
    )
    model.add_argument(
        "--rebuild",
        action="store_true",
        help="the same for a bundle of random weights, from the seed in its manifest",
    )
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        help="with --checkpoint or --rebuild: ask of this picture too (may be repeated)",
    )
    parser.add_argument(
        "--reference", type=Path, help="a folder of cases_*.npz with the original code's answers"
    )
    parser.add_argument(
        "--no-record", action="store_true", help="do not write the figures into the manifest"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _verify(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle

    if options.checkpoint or options.rebuild:
        from sam3_ros.cli.needs import require_export

        require_export()
    from sam3_ros.export.verification.report import verify_bundle

    def progress(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    verdict = verify_bundle(
        Bundle.open(options.bundle),
        checkpoint=options.checkpoint,
        rebuild=options.rebuild,
        images=tuple(options.image),
        reference=options.reference,
        record=not options.no_record,
        progress=progress,
    )
    print(json.dumps(verdict.as_dict(), indent=2) if options.json else _table(verdict))
    return 0 if verdict.passed else FAILED


def _table(verdict: VerificationReport) -> str:
    rows = [("check", "what", "figure", "limit", "")]
    rows += [
        (f.check, f.what, f"{f.figure:.3g}", f"{f.limit:.3g}", "ok" if f.passed else "FAILED")
        for f in verdict.figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    failed = sum(not f.passed for f in verdict.figures)
    end = f"{failed} of {len(verdict.figures)} figures failed" if failed else "verified"
    return "\n".join([*lines, f"{end}: {verdict.bundle}"])
