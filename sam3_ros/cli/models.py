"""`sam3-ros models`: the published models that can become bundles, and what each costs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.command import add_command, add_json_option
from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.cli.command import Commands
    from sam3_ros.hub.known_models import KnownModel


def register(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "models",
        "list published models that `export --model` takes: sizes, licences, cost, where they are",
        """
        sam3-ros models
        sam3-ros models --family mobilesam
        sam3-ros models --json
        """,
        _run,
    )
    parser.add_argument("--family", help="only those of this family")
    add_json_option(parser)


def _run(options: argparse.Namespace) -> int:
    from sam3_ros.core.errors import HubError
    from sam3_ros.core.nearest_name import did_you_mean
    from sam3_ros.hub.published import PUBLISHED

    families = dict.fromkeys(model.family for model in PUBLISHED)
    if options.family not in (None, *families):
        raise HubError(
            f"no published model of the family {options.family!r}; there are "
            f"{', '.join(families)}{did_you_mean(options.family, families)}"
        )
    models = [model for model in PUBLISHED if options.family in (None, model.family)]
    if options.json:
        print(json.dumps({"models": [_document(model) for model in models]}, indent=2))
    else:
        print("\n".join(_lines(models)))
    return 0


def _lines(models: list[KnownModel]) -> Iterator[str]:
    for (repository, licence), group in groupby(
        models, lambda model: (model.address.repository, model.licence)
    ):
        listed = list(group)
        gated = ", gated: ask for access there first" if listed[0].gated else ""
        yield f"hf://{repository}  ({licence}; {listed[0].asked_by}{gated})"
        columns = (
            *map(left, ("name", "encoders")),
            *map(right, ("parameters", "download")),
            left("export, memory"),
            left("file"),
        )
        rows = [
            (
                model.name,
                model.variant,
                f"{model.parameters:.0f} M",
                "" if model.download_mb is None else f"{model.download_mb:,.0f} MB",
                "not measured" if model.cost is None else str(model.cost),
                model.address.file,
            )
            for model in listed
        ]
        yield from table(columns, rows, indent=2)
        yield ""
    yield "a verified bundle of one: sam3-ros export --model NAME --out DIR"
    yield "export, memory: the portable files in fp32 on two cores; ~ by a model of about that size"


def _document(model: KnownModel) -> dict[str, Any]:
    cost = model.cost
    return {
        "name": model.name,
        "family": model.family,
        "variant": model.variant,
        "asked_by": model.asked_by.split(", "),
        "parameters": round(model.parameters * 1e6),
        "licence": model.licence,
        "gated": model.gated,
        "address": str(model.address),
        "page": model.page,
        "sha256": model.sha256 or None,
        "download_bytes": None if model.download_mb is None else round(model.download_mb * 1e6),
        "export": None
        if cost is None
        else {
            "seconds": round(cost.minutes * 60),
            "memory_bytes": round(cost.memory_gb * 1e9),
            "measured": cost.measured,
        },
        "command": model.command,
    }
