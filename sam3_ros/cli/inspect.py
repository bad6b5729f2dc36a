"""`sam3-ros inspect`: what a checkpoint holds, component by component."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command
from sam3_ros.cli.needs import require_export

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.export.checkpoint.contents import Checkpoint
    from sam3_ros.export.inspection import ComponentRow, Inspection


def register(commands: Commands) -> None:
    parser = add_command(
        commands,
        "inspect",
        "show what a checkpoint holds: parameters, sizes, and what is exported as what",
        """
        sam3-ros inspect efficient_sam3_repvit_m0_9.pth
        sam3-ros inspect model.safetensors --json
        sam3-ros inspect model.pth --family efficientsam3   # why it is none, if it is none
        """,
        _run,
    )
    parser.add_argument("checkpoint", type=Path, help="a .pth, .pt or .safetensors file")
    parser.add_argument("--family", help="do not find out the family, but insist on this one")
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def _run(options: argparse.Namespace) -> int:
    require_export()
    from sam3_ros.export.checkpoint.file import open_checkpoint
    from sam3_ros.export.families import FAMILIES
    from sam3_ros.export.inspection import families_to_try, inspect, recognise

    families = families_to_try(FAMILIES, options.family)
    checkpoint = open_checkpoint(options.checkpoint)
    if options.family is not None:
        recognise(checkpoint, families)
    inspection = inspect(checkpoint, families)
    if options.json:
        print(json.dumps(_document(checkpoint, inspection), indent=2))
    else:
        _print_inspection(checkpoint, inspection)
    return 0


def _document(checkpoint: Checkpoint, inspection: Inspection) -> dict[str, Any]:
    from sam3_ros.export.inspection import groups

    found, total = inspection.recognised, inspection.total
    return {
        "path": str(checkpoint.path),
        "file_bytes": checkpoint.path.stat().st_size,
        "family": found.family.name if found else None,
        "variant": found.architecture.variant if found else None,
        "refusals": dict(inspection.refusals),
        "tensors": total.tensors,
        "parameters": total.parameters,
        "bytes": total.bytes,
        "dtypes": dict(inspection.dtypes),
        "components": [_component(row, total.parameters) for row in inspection.rows],
        "groups": [
            {"name": g.name, "tensors": g.sum.tensors, "parameters": g.sum.parameters}
            for g in groups(inspection.rows)
            if len(g.rows) > 1
        ],
        "leftovers": [{"name": left.name, "bytes": left.bytes} for left in inspection.leftovers],
    }


def _component(row: ComponentRow, all_parameters: int) -> dict[str, Any]:
    return {
        "name": row.name,
        "prefix": row.prefix,
        "tensors": row.tensors,
        "parameters": row.parameters,
        "share": row.parameters / max(all_parameters, 1),
        "bytes": row.bytes,
        "exported_as": row.exported_as.split(", ") if row.needed and row.exported_as else [],
        "not_needed": [
            {"reason": u.reason, "tensors": u.tensors, "parameters": u.parameters}
            for u in row.unused
        ],
    }


def _print_inspection(checkpoint: Checkpoint, inspection: Inspection) -> None:
    from sam3_ros.export.inspection import readable, table

    found = inspection.recognised
    print(f"{checkpoint.path}  {readable(checkpoint.path.stat().st_size)}")
    if found:
        print(f"{found.family.title} (family {found.family.name}), {found.architecture.variant}")
    else:
        print("of no family that can be exported; the rows are the first part of the names")
        for name, reason in inspection.refusals.items():
            print(f"  not {name}: {reason}")
    print("  " + ", ".join(f"{count} {dtype}" for dtype, count in inspection.dtypes.items()))
    print()
    print("\n".join(table(inspection)))
    if inspection.leftovers:
        print("\nbeside the model")
        for left in inspection.leftovers:
            print(f"  {left.name:<28} {readable(left.bytes) if left.bytes else 'no tensors':>12}")
