"""`sam3-ros slim`: writes only the weights of a checkpoint, or some of its layers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.cli.checkpoint_option import (
    CHECKPOINT_HELP,
    checkpoint_argument,
    local_checkpoint,
)
from sam3_ros.cli.command import add_command, whole_number
from sam3_ros.cli.needs import require_export
from sam3_ros.cli.table import left, readable_size, right, table

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.export.commands.slimming import SlimReport

_STACKS = {
    "--fusion-layers": "layers in which the picture attends to the prompt",
    "--decoder-layers": "layers of the decoder that finds the objects",
    "--vit-depth": "blocks of SAM 3's own image encoder: as many in each part that ends in one "
    "that attends over the whole picture",
}


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "slim",
        "write only a checkpoint's weights: no teacher, no optimiser, no training leftovers",
        """
        sam3-ros slim efficient_sam3_repvit_m0_9.pth --out repvit.safetensors
        sam3-ros slim checkpoint.pt --out half.safetensors --precision fp16 --force
        sam3-ros slim sam3.pt --out small.safetensors --fusion-layers 4 --decoder-layers 4
        sam3-ros slim sam3.pt --out smaller.safetensors --fusion-layers 3 --vit-depth 24
        """,
        _run,
    )
    parser.add_argument(
        "checkpoint", type=checkpoint_argument, metavar="FILE", help=CHECKPOINT_HELP
    )
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument(
        "--precision", choices=("fp32", "fp16"), default="fp32", help="of the weights (fp32)"
    )
    parser.add_argument("--family", help="require this family, instead of recognising it")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    group = parser.add_argument_group(
        "fewer layers",
        "a smaller model to start retraining from: what it answers before is worth little. The "
        "layers that stay are evenly spaced, the first and the last among them",
    )
    for option, what in _STACKS.items():
        group.add_argument(option, type=whole_number(1), metavar="N", help=f"keep N of the {what}")


def _run(options: argparse.Namespace) -> int:
    require_export()
    from sam3_ros.export.checkpoint.file import require_free_file
    from sam3_ros.export.commands.inspection import families_to_try, recognise
    from sam3_ros.export.commands.slimming import slim
    from sam3_ros.export.families import FAMILIES
    from sam3_ros.export.families.sam3_layers import FewerLayers, kept_layers
    from sam3_ros.export.weights.recognition import open_known, without_prefix

    families = families_to_try(FAMILIES, options.family)
    require_free_file(options.out, options.force)  # before gigabytes are fetched
    checkpoint = without_prefix(
        open_known(local_checkpoint(options.checkpoint).path), families.values()
    )
    recognised = recognise(checkpoint, families)
    print(f"{recognised.family.title}, {recognised.architecture.variant}")
    fewer = FewerLayers(options.fusion_layers, options.decoder_layers, options.vit_depth)
    layers = () if fewer == FewerLayers() else kept_layers(recognised.architecture, fewer)
    for each in layers:
        print(f"  kept: {each}")
    report = slim(checkpoint, recognised, options.out, options.precision, options.force, layers)
    _print_report(report, options)
    return 0


def _print_report(report: SlimReport, options: argparse.Namespace) -> None:
    rows = [("before", report.before_bytes, str(options.checkpoint))]
    rows += [
        ("removed", removed.bytes, f"{removed.component}, {removed.tensors} tensors")
        for removed in report.removed
    ]
    rows += [("removed", rest.bytes, f"{rest.name}, beside the model") for rest in report.leftovers]
    if report.converted_bytes:
        change = "saved" if report.converted_bytes < 0 else "added"
        rows.append((change, abs(report.converted_bytes), f"as {options.precision}"))
    rows.append(("after", report.after_bytes, f"{options.out}, {report.kept} tensors"))
    sized = [(what, readable_size(size), whose) for what, size, whose in rows]
    print("\n".join(table([left(), right(), left()], sized, indent=2)))
