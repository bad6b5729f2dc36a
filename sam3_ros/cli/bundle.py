"""`sam3-ros bundle list|inspect|verify|record`: what a bundle holds, and whether it is sound."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.bundle_record import register_record
from sam3_ros.cli.command import add_command, add_group

if TYPE_CHECKING:
    from sam3_ros.cli.bundle_report import StageReport
    from sam3_ros.cli.command import Commands
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.bundle.manifest import FileRef
    from sam3_ros.core.stages.session import TensorSpec

PATH_HELP = "a bundle's folder, or the name of an embedded one"


def register(commands: Commands) -> None:
    group = add_group(
        commands,
        "bundle",
        "list, inspect, verify and record bundles",
        """
        sam3-ros bundle list
        sam3-ros bundle inspect tabletop
        sam3-ros bundle verify ~/bundles/mobile_sam --json
        """,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_list(actions)
    _register_inspect(actions)
    _register_verify(actions)
    register_record(actions)


def _register_list(actions: Commands) -> None:
    parser = add_command(
        actions,
        "list",
        "list the embedded bundles, and those in the folders given",
        "sam3-ros bundle list\nsam3-ros bundle list ~/bundles --json",
        _list,
    )
    parser.add_argument("folder", nargs="*", type=Path, help="a folder that holds bundles")
    _add_json(parser)


def _register_inspect(actions: Commands) -> None:
    parser = add_command(
        actions,
        "inspect",
        "show a bundle's stages: tensors, precisions, sizes, checksums",
        "sam3-ros bundle inspect tabletop\nsam3-ros bundle inspect ./my_bundle --precision fp16",
        _inspect,
    )
    parser.add_argument("path", help=PATH_HELP)
    parser.add_argument("--precision", help="whose tensors to show (default: the first)")
    _add_json(parser)


def _register_verify(actions: Commands) -> None:
    parser = add_command(
        actions,
        "verify",
        "check manifest, files and checksums, and load every stage on the CPU",
        "sam3-ros bundle verify tabletop && echo sound",
        _verify,
    )
    parser.add_argument("path", help=PATH_HELP)
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def _list(options: argparse.Namespace) -> int:
    from sam3_ros.core.bundle.bundle import MANIFEST_NAME, embedded_bundles
    from sam3_ros.core.errors import BundleError

    found = list(embedded_bundles().values())
    for folder in options.folder:
        if not folder.is_dir():
            raise BundleError(f"{folder} is not a folder; name one that holds bundles")
        found += sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST_NAME}"))
    rows, refused = [], []
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
    for row in rows:
        print(
            f"{row['name']:<24} {'+'.join(row['capabilities']):<20} "
            f"{','.join(row['precisions']):<12} {_readable(row['bytes']):>10}  {row['path']}"
        )
    if not rows:
        print("no bundles")
    for each in refused:
        print(f"sam3-ros: refused: {each['error']}", file=sys.stderr)


def _inspect(options: argparse.Namespace) -> int:
    from sam3_ros.cli.bundle_report import all_precisions, stage_reports
    from sam3_ros.core.bundle.bundle import Bundle

    bundle = Bundle.open(options.path)
    precision = options.precision or (bundle.precisions or all_precisions(bundle))[0]
    reports = list(stage_reports(bundle, precision))
    if options.json:
        _print_json({**_summary(bundle), **_details(bundle), "stages": _stages(bundle, reports)})
    else:
        _print_inspection(bundle, precision, reports)
    return 0


def _print_inspection(bundle: Bundle, precision: str, reports: list[StageReport]) -> None:
    manifest, summary = bundle.manifest, _summary(bundle)
    print(f"{manifest.name}  {manifest.description}".rstrip())
    for key in ("path", "licence"):
        print(f"  {key:<13}{summary[key]}")
    print(f"  {'capabilities':<13}{', '.join(bundle.capabilities)}")
    print(f"  {'precisions':<13}{', '.join(bundle.precisions)}")
    print(f"  {'size':<13}{_readable(summary['bytes'])}")
    frame = manifest.preprocessing
    print(f"  {'image':<13}{frame.height}x{frame.width}, {frame.fit}, {frame.interpolation}")
    for report in reports:
        print(f"\nstage {report.stage} (tensors at {precision})")
        for kind, specs in (("in", report.inputs), ("out", report.outputs)):
            for canonical, spec in specs.items():
                print(f"  {kind:<4}{canonical:<18} {spec}")
        for name, file in manifest.stages[report.stage].files.items():
            print(f"  {name:<4} {_file_line(file)}")
            for data in file.data:
                print(f"  {'':<4} {_file_line(data)}")
    if manifest.concept is not None:
        print(f"\ntokenizer\n  {_file_line(manifest.concept.tokenizer.file)}")
    if manifest.recorded_answers is not None:
        print(f"\nrecorded answers\n  {_file_line(manifest.recorded_answers)}")
    if manifest.verification:
        print("\nverification")
        print(_indented_json(manifest.verification))


def _verify(options: argparse.Namespace) -> int:
    from sam3_ros.cli.bundle_report import all_precisions, stage_reports
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.segmenter.tokenizer import ClipTokenizer

    bundle = Bundle.open(options.path)
    if bundle.manifest.concept is not None:
        ClipTokenizer(bundle.tokenizer_file, bundle.manifest.concept.tokenizer)
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
    for report in reports:
        tensors = f"{len(report.inputs)} in, {len(report.outputs)} out"
        print(f"ok  {report.stage:<16} {report.precision:<6} {tensors:<14} {report.provider}")
    print(f"sound: {bundle.path} ({len(bundle.manifest.files)} files)")
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


def _stages(bundle: Bundle, reports: list[StageReport]) -> list[dict[str, Any]]:
    return [
        {
            "name": report.stage,
            "tensors_at": report.precision,
            "inputs": {name: _tensor(spec) for name, spec in report.inputs.items()},
            "outputs": {name: _tensor(spec) for name, spec in report.outputs.items()},
            "files": {
                precision: asdict(file)
                for precision, file in bundle.manifest.stages[report.stage].files.items()
            },
        }
        for report in reports
    ]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": str(spec.dtype), "shape": list(spec.shape)}


def _file_line(file: FileRef) -> str:
    return f"{file.path}  {_readable(file.bytes)}  sha256 {file.sha256}"


def _readable(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, default=str))


def _indented_json(value: Any) -> str:
    text = json.dumps(dict(value), indent=2, default=str)
    return "\n".join(f"  {line}" for line in text.splitlines())
