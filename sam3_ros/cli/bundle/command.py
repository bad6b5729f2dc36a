"""`sam3-ros bundle list|inspect|verify|...`: what a bundle holds, if it is sound."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.bundle.card import register_card
from sam3_ros.cli.bundle.sharing import register_sharing
from sam3_ros.cli.command import add_command, add_group, add_json_option
from sam3_ros.cli.table import left, readable_size, right, table
from sam3_ros.core.visible_text import visible

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.bundle.bundle import Bundle

PATH_HELP = "a bundle's folder, or the name of an embedded one"


def register(commands: Commands) -> None:
    """Declare the command and its actions."""
    group = add_group(
        commands,
        "bundle",
        "list, inspect, verify, record, trust and share bundles",
        """
        sam3-ros bundle list
        sam3-ros bundle inspect tabletop
        sam3-ros bundle verify ~/bundles/mobile_sam --json
        sam3-ros bundle pull hf://ORG/REPO
        """,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    for register_action in (
        _register_list,
        _register_inspect,
        _register_verify,
        _register_record,
        _register_trust,
        register_card,
    ):
        register_action(actions)
    register_sharing(actions)


def _register_list(actions: Commands) -> None:
    parser = add_command(
        actions,
        "list",
        "list the embedded bundles, and those in the folders given",
        "sam3-ros bundle list\nsam3-ros bundle list ~/bundles --json",
        _list,
    )
    parser.add_argument("folder", nargs="*", type=Path, metavar="DIR", help="holds bundles")
    add_json_option(parser)


def _register_inspect(actions: Commands) -> None:
    parser = add_command(
        actions,
        "inspect",
        "show a bundle's stages: tensors, precisions, sizes, checksums, operators",
        "sam3-ros bundle inspect tabletop\nsam3-ros bundle inspect ./my_bundle --precision fp16",
        _inspect,
    )
    parser.add_argument("path", metavar="BUNDLE", help=PATH_HELP)
    parser.add_argument("--precision", help="whose tensors to show (default: the first)")
    add_json_option(parser)


def _register_verify(actions: Commands) -> None:
    parser = add_command(
        actions,
        "verify",
        "check manifest, files and checksums, and load every stage on the CPU",
        "sam3-ros bundle verify tabletop && echo sound",
        _verify,
    )
    parser.add_argument("path", metavar="BUNDLE", help=PATH_HELP)
    add_json_option(parser)


def _register_record(actions: Commands) -> None:
    parser = add_command(
        actions,
        "record",
        "record a bundle's fp32 answers on the CPU, for the precision guard to compare with",
        """
        sam3-ros bundle record my_bundle
        sam3-ros bundle record my_bundle --image desk.jpg
        """,
        _record,
    )
    parser.add_argument("path", metavar="BUNDLE", help=PATH_HELP)
    parser.add_argument(
        "--image",
        type=Path,
        help="ask about this picture instead of a table; not for a bundle that holds answers of "
        "the original model: those are kept, and reference samples of every stage are added",
    )


def _register_trust(actions: Commands) -> None:
    parser = add_command(
        actions,
        "trust",
        "vouch for a bundle: it is then loaded without a first run in a process of its own",
        "sam3-ros bundle trust ./my_bundle",
        _trust,
    )
    parser.add_argument("path", metavar="BUNDLE", help=PATH_HELP)


def _list(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import MANIFEST_NAME, embedded_bundles
    from sam3_ros.core.errors import BundleError

    found = list(embedded_bundles().values())
    for folder in options.folder:
        if not folder.is_dir():
            raise BundleError(f"{folder} is not a folder; name one that holds bundles")
        found += sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST_NAME}"))
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for path in found:
        summary = _summary_or_reason(path)
        (refused if "error" in summary else rows).append(summary)
    if options.json:
        _print_json({"bundles": rows, "refused": refused})
    else:
        _print_list(rows, refused)
    return 2 if refused else 0


def _summary_or_reason(path: Path) -> dict[str, Any]:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.errors import BundleError

    try:
        return _summary(Bundle.open(path))
    except BundleError as error:
        return {"path": str(path), "error": str(error)}


def _print_list(rows: list[dict[str, Any]], refused: list[dict[str, Any]]) -> None:
    cells = [
        (
            row["name"],
            "+".join(row["capabilities"]),
            ",".join(row["precisions"]),
            readable_size(row["bytes"]),
            row["path"],
        )
        for row in rows
    ]
    for line in table([left(), left(), left(), right(), left()], cells):
        print(line)
    if not rows:
        print("no bundles")
    for each in refused:
        print(f"sam3-ros: refused: {visible(each['error'])}", file=sys.stderr)


def _inspect(options: argparse.Namespace) -> int:
    from sam3_ros.cli.bundle.inspection import (
        all_precisions,
        inspection_lines,
        operator_counts,
        operator_lines,
        stage_documents,
        stage_reports,
    )
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.precision.other_files import check_other_files

    bundle = Bundle.open(options.path)
    check_other_files(bundle)
    precision = options.precision or (bundle.precisions or all_precisions(bundle))[0]
    reports = list(stage_reports(bundle, precision))
    counts = operator_counts(bundle)
    if options.json:
        stages = stage_documents(bundle, reports)
        operators = {
            stage: {title: asdict(found) for title, found in by_title.items()}
            for stage, by_title in counts.items()
        }
        details = {**_details(bundle), "stages": stages, "operators": operators}
        _print_json({**_summary(bundle), **details})
    else:
        lines = (*inspection_lines(bundle, precision, reports), *operator_lines(counts))
        print("\n".join(lines))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from sam3_ros.cli.bundle.inspection import all_precisions, stage_reports
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.precision.other_files import check_other_files

    bundle = Bundle.open(options.path)
    check_other_files(bundle)
    reports = [
        report
        for precision in all_precisions(bundle)
        for report in stage_reports(bundle, precision)
    ]
    if options.json:
        checked = [
            {"stage": report.stage, "precision": report.precision, "provider": report.provider}
            for report in reports
        ]
        _print_json({**_summary(bundle), "sound": True, "sessions": checked})
        return 0
    rows = [
        (
            "ok",
            report.stage,
            report.precision,
            f"{len(report.inputs)} in, {len(report.outputs)} out",
            report.provider,
        )
        for report in reports
    ]
    for line in table([left(ok="green"), left(), left(), left(), left()], rows):
        print(line)
    print(f"sound: {visible(str(bundle.path))} ({len(bundle.manifest.files)} files)")
    return 0


def _record(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.errors import BundleError
    from sam3_ros.core.precision.other_files import check_other_files
    from sam3_ros.core.precision.questions import TABLE, questions_of
    from sam3_ros.core.precision.recording import add_samples, record_into, recorded_in
    from sam3_ros.core.stages.plan import StagePlan
    from sam3_ros.core.trial.trial import require_tried

    bundle = Bundle.open(options.path)
    check_other_files(bundle)
    require_tried(bundle, StagePlan())
    recorded = recorded_in(bundle)
    if recorded is None or not recorded.of_original:
        written = record_into(bundle, [questions_of(bundle, options.image or TABLE)])
    elif options.image is None:
        written = add_samples(bundle, recorded)
    else:
        raise BundleError(
            f"bundle {bundle.path} holds answers of the original model, which cannot be asked "
            f"about another picture here: leave --image out"
        )
    file = written.manifest.recorded_answers
    assert file is not None
    print(f"recorded: {written.path / file.path} ({file.bytes / 1e6:.2f} MB)")
    return 0


def _trust(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.errors import BundleError
    from sam3_ros.core.trial.record import TRUSTED, TrialRecord

    bundle = Bundle.open(options.path)
    try:
        written = TrialRecord(bundle, TRUSTED, "").write()
    except (OSError, RuntimeError) as error:
        raise BundleError(f"trust in bundle {bundle.path} cannot be kept: {error}") from error
    print(f"trusted until a file of it changes: {visible(str(bundle.path))}")
    print(f"to take that back, remove {visible(str(written))}")
    return 0


def _summary(bundle: Bundle) -> dict[str, Any]:
    return {
        "name": bundle.manifest.name,
        "path": str(bundle.path),
        "licence": bundle.manifest.licence,
        "capabilities": list(bundle.capabilities),
        "precisions": list(bundle.precisions),
        "bytes": sum(file.bytes for file in bundle.manifest.files),
    }


def _details(bundle: Bundle) -> dict[str, Any]:
    import yaml

    from sam3_ros.core.bundle.manifest_yaml import dump_manifest

    return {"manifest": yaml.safe_load(dump_manifest(bundle.manifest))}


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, default=str))
