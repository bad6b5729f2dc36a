"""`sam3-ros slim`: a checkpoint's weights alone, as a safetensors file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.command import add_command
from sam3_ros.cli.needs import require_export

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.export.slimming import SlimReport


def register(commands: Commands) -> None:
    parser = add_command(
        commands,
        "slim",
        "write a checkpoint's weights alone: no teacher, no optimiser, no training leftovers",
        """
        sam3-ros slim efficient_sam3_repvit_m0_9.pth --out repvit.safetensors
        sam3-ros slim checkpoint.pt --out half.safetensors --precision fp16 --force
        """,
        _run,
    )
    parser.add_argument("checkpoint", type=Path, help="a .pth, .pt or .safetensors file")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument(
        "--precision", choices=("fp32", "fp16"), default="fp32", help="of the weights (fp32)"
    )
    parser.add_argument("--family", help="do not find out the family, but insist on this one")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def _run(options: argparse.Namespace) -> int:
    require_export()
    from sam3_ros.export.checkpoint.file import open_checkpoint
    from sam3_ros.export.families import FAMILIES
    from sam3_ros.export.inspection import families_to_try, recognise
    from sam3_ros.export.slimming import slim

    families = families_to_try(FAMILIES, options.family)
    checkpoint = open_checkpoint(options.checkpoint)
    recognised = recognise(checkpoint, families)
    print(f"{recognised.family.title}, {recognised.architecture.variant}")
    report = slim(checkpoint, recognised, options.out, options.precision, options.force)
    _print_report(report, options)
    return 0


def _print_report(report: SlimReport, options: argparse.Namespace) -> None:
    _line("before", report.before_bytes, str(options.checkpoint))
    for removed in report.removed:
        _line("removed", removed.bytes, f"{removed.component}, {removed.tensors} tensors")
    for left in report.leftovers:
        _line("removed", left.bytes, f"{left.name}, beside the model")
    if report.converted_bytes:
        change = "saved" if report.converted_bytes < 0 else "added"
        _line(change, abs(report.converted_bytes), f"as {options.precision}")
    _line("after", report.after_bytes, f"{options.out}, {report.kept} tensors")


def _line(what: str, size: int, whose: str) -> None:
    from sam3_ros.export.inspection import readable

    print(f"  {what:<8} {readable(size):>10}  {whose}")
