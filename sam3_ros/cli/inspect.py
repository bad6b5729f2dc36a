"""`sam3-ros inspect`: shows what a checkpoint holds, component by component."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.checkpoint_option import (
    CHECKPOINT_HELP,
    checkpoint_argument,
    local_checkpoint,
)
from sam3_ros.cli.command import add_command, add_json_option
from sam3_ros.cli.needs import require_export
from sam3_ros.cli.table import left, readable_size, right, table

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.export.checkpoint.contents import Checkpoint
    from sam3_ros.export.commands.inspection import ComponentRow, Inspection


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "inspect",
        "show what a checkpoint holds: parameters, sizes, and what is exported as what",
        """
        sam3-ros inspect efficient_sam3_repvit_m0_9.pth
        sam3-ros inspect model.safetensors --json
        sam3-ros inspect hf://Simon7108528/EfficientSAM3/efficientsam3_ft/efficientsam3_repvit.pt
        sam3-ros inspect model.pth --family efficientsam3   # why it is not one, if it is not
        """,
        _run,
    )
    parser.add_argument(
        "checkpoint", type=checkpoint_argument, metavar="FILE", help=CHECKPOINT_HELP
    )
    parser.add_argument("--family", help="require this family, instead of recognising it")
    add_json_option(parser)


def _run(options: argparse.Namespace) -> int:
    require_export()
    from sam3_ros.core.errors import CheckpointError
    from sam3_ros.export.commands.inspection import families_to_try, inspect, recognise, refusal
    from sam3_ros.export.families import FAMILIES
    from sam3_ros.export.weights.recognition import open_known, without_prefix

    families = families_to_try(FAMILIES, options.family)
    checkpoint = without_prefix(
        open_known(local_checkpoint(options.checkpoint).path), families.values()
    )
    if options.family is not None:
        recognise(checkpoint, families)
    inspection = inspect(checkpoint, families)
    if options.json:
        print(json.dumps(_document(checkpoint, inspection), indent=2))
    else:
        _print_inspection(checkpoint, inspection)
    if inspection.recognised is None:
        raise CheckpointError(refusal(checkpoint, inspection.refusals, inspection.other))
    if inspection.unfit is not None:
        raise CheckpointError(inspection.unfit)
    return 0


def _document(checkpoint: Checkpoint, inspection: Inspection) -> dict[str, Any]:
    from sam3_ros.export.checkpoint.description import form_of
    from sam3_ros.export.commands.inspection import groups
    from sam3_ros.export.family import sizes_of

    found, total = inspection.recognised, inspection.total
    return {
        "path": str(checkpoint.path),
        "file_bytes": checkpoint.file_bytes,
        "family": found.family.name if found else None,
        "variant": found.architecture.variant if found else None,
        "sizes": dict(sizes_of(found.architecture)) if found else {},
        "refusals": dict(inspection.refusals),
        "is": inspection.other,
        "unfit": inspection.unfit,
        "form": form_of(checkpoint),
        "parts": list(inspection.parts),
        "prefix": checkpoint.prefix,
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
        "leftovers": [{"name": rest.name, "bytes": rest.bytes} for rest in inspection.leftovers],
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
    from sam3_ros.export.checkpoint.description import form_of
    from sam3_ros.export.family import sizes_of

    found = inspection.recognised
    print(f"{checkpoint.path}  {readable_size(checkpoint.file_bytes)}")
    if found:
        print(f"{found.family.title} (family {found.family.name}), {found.architecture.variant}")
    else:
        print("of no family that can be exported; the rows are the first part of the names")
        for name, reason in inspection.refusals.items() if inspection.other is None else ():
            print(f"  not {name}: {reason}")
    if found:
        print(f"form: {form_of(checkpoint)}")
    if found and set(inspection.parts) != set(found.family.parts):
        names, only = " and ".join(inspection.parts), ",".join(inspection.parts)
        print(f"it has tensors for {names} alone: export it --parts {only}")
    if checkpoint.prefix:
        print(f"every name begins with {checkpoint.prefix}, which is taken off")
    print("  " + ", ".join(f"{count} {dtype}" for dtype, count in inspection.dtypes.items()))
    if found and (sizes := sizes_of(found.architecture)):
        print("\n".join(table([left(), left()], sizes.items(), indent=2)))
    print()
    print("\n".join(component_lines(inspection)))
    if inspection.leftovers:
        print("\nbeside the model")
        rows = [
            (rest.name, readable_size(rest.bytes) if rest.bytes else "no tensors")
            for rest in inspection.leftovers
        ]
        print("\n".join(table([left(), right()], rows, indent=2)))


def component_lines(inspection: Inspection) -> Iterator[str]:
    """Yield a line per component, the total, and then which parts are not needed, and why."""
    from sam3_ros.export.commands.inspection import PART, groups

    total = inspection.total
    rows = []
    for group in groups(inspection.rows):
        if len(group.rows) == 1:
            rows.append(_cells(group.rows[0], group.rows[0].name, total))
            continue
        rows.append(_cells(group.sum, group.name, total))
        rows += [_cells(row, "  " + row.name.partition(PART)[2], total) for row in group.rows]
    rows.append(_cells(total, "total", total))
    numbers = map(right, ("parameters", "tensors", "share", "size"))
    yield from table([left("component"), *numbers, left("exported as")], rows)
    partly = [row for row in inspection.rows if row.unused and row.needed]
    if partly:
        yield ""
        yield "of these, not needed"
    for row in partly:
        for unused in row.unused:
            count = f"{unused.tensors} tensors, {unused.parameters:,} parameters"
            yield f"  {row.name.replace(PART, ', ')}: {count}: {unused.reason}"


def _cells(row: ComponentRow, name: str, total: ComponentRow) -> tuple[str, ...]:
    exported_as = row.exported_as
    if row.tensors and not row.needed:
        exported_as = "not needed: " + "; ".join(unused.reason for unused in row.unused)
    share = f"{row.parameters / max(total.parameters, 1):.2%}"
    size = readable_size(row.bytes)
    return name, f"{row.parameters:,}", f"{row.tensors:,}", share, size, exported_as
