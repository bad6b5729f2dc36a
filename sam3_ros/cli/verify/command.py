"""`sam3-ros verify`: whether a bundle computes what the original model computes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.checkpoint_option import checkpoint_argument, local_checkpoint
from sam3_ros.cli.command import add_command, add_json_option
from sam3_ros.cli.needs import require_export
from sam3_ros.cli.progress import print_step
from sam3_ros.cli.table import left, table
from sam3_ros.cli.verify.against import (
    add_against_options,
    refuse_mixed_options,
    verify_against,
)
from sam3_ros.cli.verify.report_page import (
    add_report_option,
    compared_with,
    require_report,
    write_report,
)

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.export.verification.report import VerificationReport

FAILED = 1


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "verify",
        "compare a bundle's numbers with the original model's, or with another bundle's",
        """
        sam3-ros verify my_bundle                          # against the answers kept in it
        sam3-ros verify my_bundle --checkpoint model.pt    # against PyTorch, stage by stage
        sam3-ros verify my_bundle --reference reference/   # against answers of the original code
        sam3-ros verify my_bundle --record                 # and write the result into the bundle
        sam3-ros verify my_bundle --report report.md       # and a page to send back
        sam3-ros verify small --against full               # what is lost beside another bundle
        """,
        _verify,
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="a bundle's folder, or the name of an embedded one"
    )
    _add_judges(parser)
    parser.add_argument(
        "--record",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="write the result into the bundle's manifest (default: the bundle is only read)",
    )
    add_report_option(parser)
    add_against_options(parser)
    add_json_option(parser)


def _add_judges(parser: argparse.ArgumentParser) -> None:
    """Declare what the bundle is compared with."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--checkpoint",
        type=checkpoint_argument,
        metavar="FILE",
        help="rebuild the model in PyTorch from this file, or hf://ORG/REPO/FILE[@REVISION] of the "
        "Hugging Face hub, and compare stage by stage and end to end"
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
        "--reference",
        type=Path,
        metavar="DIR",
        help="a folder of cases_*.npz and video_cases_*.npz with the original code's answers; "
        "those of other weights are named and left out",
    )


def _verify(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle

    refuse_mixed_options(options)
    require_report(options)
    if options.against is not None:
        return verify_against(options)
    if options.checkpoint or options.rebuild:
        require_export()
    from sam3_ros.core.precision.other_files import check_other_files
    from sam3_ros.core.stages.plan import StagePlan
    from sam3_ros.core.trial.trial import require_tried
    from sam3_ros.export.verification.report import verify_bundle

    bundle = Bundle.open(options.bundle)
    check_other_files(bundle)
    require_tried(bundle, StagePlan())
    given = options.checkpoint
    checkpoint = None if given is None else local_checkpoint(given).path
    report = verify_bundle(
        bundle,
        checkpoint=checkpoint,
        rebuild=options.rebuild,
        images=tuple(options.image),
        reference=options.reference,
        record=options.record,
        progress=print_step,
    )
    print(json.dumps(report.as_dict(), indent=2) if options.json else _table(report))
    if options.report is not None:
        write_report(options.report, bundle, report, compared_with(options, checkpoint))
        print_step(f"written: {options.report}")
    return 0 if report.passed else FAILED


def _table(report: VerificationReport) -> str:
    rows = [
        (f.check, f.what, f"{f.figure:.3g}", f"{f.limit:.3g}", "ok" if f.passed else "FAILED")
        for f in report.figures
    ]
    result = left(ok="green", FAILED="bold red")
    lines = table([*map(left, ("check", "what", "figure", "limit")), result], rows)
    failed = sum(not figure.passed for figure in report.figures)
    end = f"{failed} of {len(report.figures)} figures failed" if failed else "verified"
    skipped = [f"not compared: {each.case}: {each.reason}" for each in report.skipped]
    if skipped:
        end += f", {len(skipped)} cases of the reference not compared"
    return "\n".join([*lines, *skipped, f"{end}: {report.bundle}"])
