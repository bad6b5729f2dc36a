"""`sam3-ros bench --tracking`: what a tracked image costs, against objects and their memories."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.bench.growth import draw_growths, growth_document
from sam3_ros.cli.bench.options import OF_GROWTH_AND_NODE, OF_NODE, OF_STAGES, refuse_options
from sam3_ros.cli.command import prepare_output
from sam3_ros.cli.model_options import ConfiguredModel, configured_model
from sam3_ros.cli.needs import require
from sam3_ros.cli.out_folder import require_own
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.cli.table import left, right, table

if TYPE_CHECKING:
    from sam3_ros.bench.growth import Growth
    from sam3_ros.bench.tracking import TrackingPoint

#: In each plot's metadata, by which it is known to be one.
MARK = "sam3-ros bench --tracking"
_SECONDS = 1.0


def run(options: argparse.Namespace) -> int:
    """Measure, draw the plot if asked to, and print."""
    of_stages = {name: default for name, default in OF_STAGES.items() if name != "size"}
    refuse_options(options, "with --tracking", of_stages, OF_GROWTH_AND_NODE, OF_NODE)
    if options.plot is not None:
        require("matplotlib", whose="--plot")
        require_own(options.plot, MARK, force=bool(options.force))
        prepare_output(options.plot)
    model = configured_model(options)
    width, height = options.size or (640, 480)
    title = f"{model.bundle.manifest.name} on {model.described}; {width}x{height}"
    found = _measure(options, model)
    if options.plot is not None:
        draw_growths(found, title, options.plot, MARK)
    if options.json:
        print(json.dumps(_document(model, found), indent=2))
    else:
        print("\n".join(_lines(title, found)))
    return 0


def _measure(options: argparse.Namespace, model: ConfiguredModel) -> list[Growth]:
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.setup import Setup
    from sam3_ros.bench.tracking import require_objects, tracking_growths
    from sam3_ros.core.geometry import ImageSize
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.segmenter.pixels import resized

    require_objects(model.bundle.manifest)
    width, height = options.size or (640, 480)
    frame = resized(read_rgb(options.image), ImageSize(height, width), "bilinear_antialias")
    setup = Setup.of_plan(str(model.bundle.path), model.plan, model.threads)
    seconds = options.seconds or _SECONDS
    budget = Budget(options.frames, seconds, least=1, least_warm_ups=setup.least_warm_ups)
    with ProgressLine() as progress, model.load() as segmenter:
        return list(tracking_growths(segmenter, frame, budget, progress.say))


def _document(model: ConfiguredModel, found: Sequence[Growth]) -> dict[str, Any]:
    return {
        "bundle": model.bundle.manifest.name,
        **model.document(),
        "tracking": {
            growth.key: {
                **growth_document(growth),
                "points": [
                    {**point, **_own(of)}
                    for point, of in zip(
                        growth_document(growth)["points"], _points(growth), strict=True
                    )
                ],
            }
            for growth in found
        },
    }


def _own(point: TrackingPoint) -> dict[str, Any]:
    return {
        "cpu_ms": point.cpu_ms,
        "parts_ms": dict(point.parts_ms),
        "object_bytes": point.object_bytes,
        "followed": point.followed,
    }


def _points(growth: Growth) -> Sequence[TrackingPoint]:
    return growth.points  # type: ignore[return-value]


def _lines(title: str, found: Sequence[Growth]) -> Iterator[str]:
    from sam3_ros.bench.tracking import PARTS

    yield title
    for growth in found:
        headings = ("median ms", "p95 ms", "CPU ms", *PARTS, "each more", "MB an object", "repeats")
        rows = []
        for point in _points(growth):
            more = growth.each_more_ms(point)
            rows.append(
                (
                    point.label,
                    f"{point.median_ms:.2f}",
                    f"{point.p95_ms:.2f}",
                    f"{point.cpu_ms:.2f}",
                    *(f"{point.parts_ms[part]:.2f}" for part in PARTS),
                    None if more is None else f"{more:.2f}",
                    f"{point.object_bytes / 1e6:.2f}",
                    point.repeats,
                )
            )
        yield ""
        yield f"{growth.key}: {growth.title}"
        yield from table([left(growth.key), *map(right, headings)], rows, indent=2)
        yield from _not_followed(growth)


def _not_followed(growth: Growth) -> Iterator[str]:
    if growth.key == "objects":
        lost = [point for point in _points(growth) if point.followed < point.amount]
        for point in lost:
            yield f"  of {point.label} objects only {point.followed} were there to be followed"
