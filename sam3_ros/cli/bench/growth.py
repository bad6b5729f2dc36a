"""`sam3-ros bench --growth`: cost against prompts, cameras, points and image size."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.bench.options import OF_NODE, OF_STAGES, refuse_options, sizes_or
from sam3_ros.cli.command import prepare_output
from sam3_ros.cli.model_options import ConfiguredModel, configured_model
from sam3_ros.cli.needs import require
from sam3_ros.cli.out_folder import require_own
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.cli.table import left, right, table
from sam3_ros.core.whole_file import whole_file

if TYPE_CHECKING:
    from sam3_ros.bench.growth import Growth

#: In each plot's metadata, by which it is known to be one.
MARK = "sam3-ros bench --growth"
_SECONDS = 1.0
_FRAME = (640, 480)

_PLOT_COLUMNS = 2
_PANEL_INCHES = (5.5, 3.6)
#: What shares work, so that N cost less than N times one.
_SHARING = ("prompts", "cameras", "objects")


def add_options(group: argparse._ArgumentGroup) -> None:
    """Declare what only this measurement takes."""
    group.add_argument(
        "--plot",
        type=_picture_file,
        metavar="FILE",
        help="draw it, as .png or .svg; needs matplotlib (extra bench)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, draw the plot if asked to, and print."""
    refuse_options(options, "with --growth", OF_STAGES, OF_NODE)
    if options.plot is not None:
        require("matplotlib", whose="--plot")
        require_own(options.plot, MARK, force=bool(options.force))
        prepare_output(options.plot)
    model = configured_model(options)
    found = _measure(options, model)
    if options.plot is not None:
        draw_growths(found, _title(model), options.plot)
    if options.json:
        print(json.dumps(_document(model, found), indent=2))
    else:
        print("\n".join(_lines(model, found)))
    return 0


def draw_growths(found: Sequence[Growth], title: str, path: Path, mark: str = MARK) -> None:
    """Write a PNG or SVG file, by the name's suffix: a panel for each thing that grows.

    mark: for its metadata. Raises OSError if it cannot be written.
    """
    from matplotlib.figure import Figure  # not pyplot, which looks for a screen

    rows = -(-len(found) // _PLOT_COLUMNS)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * _PLOT_COLUMNS, height * rows), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    panels = figure.subplots(rows, _PLOT_COLUMNS, squeeze=False).flat
    for axes, growth in zip(panels, found, strict=False):
        _draw(axes, growth)
    for axes in figure.axes[len(found) :]:
        axes.remove()
    key = "Creator" if path.suffix.lower() == ".svg" else "Software"
    with whole_file(path, path.suffix) as unfinished:
        figure.savefig(unfinished, metadata={key: mark})


def _draw(axes: Any, growth: Growth) -> None:
    amounts = [point.amount for point in growth.points]
    medians = [point.median_ms for point in growth.points]
    axes.plot(amounts, medians, marker="o", label="median, and up to p95")
    axes.fill_between(amounts, medians, [point.p95_ms for point in growth.points], alpha=0.2)
    if growth.key in _SHARING:
        alone = [growth.points[0].per_item_ms * amount for amount in amounts]
        axes.plot(amounts, alone, linestyle=":", color="grey", label="if nothing were shared")
    axes.set_xticks(amounts, [point.label for point in growth.points])
    if growth.key == "image size":  # the names are long and the small ones close together
        axes.tick_params(axis="x", labelrotation=60, labelsize="x-small")
    axes.set(title=growth.title, xlabel=growth.key, ylabel="ms", ylim=(0, None))
    axes.legend(fontsize="small", loc="lower right")


def _measure(options: argparse.Namespace, model: ConfiguredModel) -> list[Growth]:
    from sam3_ros.bench.growth import SIZES, growths
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.scenarios import Workload
    from sam3_ros.bench.setup import Setup
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.segmenter.pixels import resized

    sizes = sizes_or(options.sizes, [(size.width, size.height) for size in SIZES])
    (size,) = sizes_or(None, [_FRAME])
    frame = resized(read_rgb(options.image), size, "bilinear_antialias")
    # A full-size model has many points, and one repeat may take longer than a point's time.
    setup = Setup.of_plan(str(model.bundle.path), model.plan, model.threads)
    seconds = options.seconds or _SECONDS
    budget = Budget(options.frames, seconds, least=1, least_warm_ups=setup.least_warm_ups)
    with ProgressLine() as progress, model.load() as segmenter:
        workload = Workload(frame, options.text)
        return list(growths(segmenter, workload, sizes, budget, progress.say))


def _document(model: ConfiguredModel, found: Sequence[Growth]) -> dict[str, Any]:
    return {
        "bundle": model.bundle.manifest.name,
        **model.document(),
        "growth": {growth.key: growth_document(growth) for growth in found},
    }


def growth_document(growth: Growth) -> dict[str, Any]:
    """Return a growth for JSON."""
    return {
        "title": growth.title,
        "item": growth.item,
        "points": [
            {
                "label": point.label,
                "amount": point.amount,
                "median_ms": point.median_ms,
                "p95_ms": point.p95_ms,
                "repeats": point.repeats,
                "ratio_to_first": growth.ratio(point),
                "per_item_ms": point.per_item_ms,
                "each_more_ms": growth.each_more_ms(point),
            }
            for point in growth.points
        ],
    }


def _lines(model: ConfiguredModel, found: Sequence[Growth]) -> Iterator[str]:
    yield _title(model)
    for growth in found:
        headings = ("median ms", "p95 ms", "x first", f"per {growth.item}", "each more", "repeats")
        rows = []
        for point in growth.points:
            more = growth.each_more_ms(point)
            rows.append(
                (
                    point.label,
                    f"{point.median_ms:.2f}",
                    f"{point.p95_ms:.2f}",
                    f"{growth.ratio(point):.2f}",
                    f"{point.per_item_ms:.2f}",
                    None if more is None else f"{more:.2f}",
                    point.repeats,
                )
            )
        yield ""
        yield f"{growth.key}: {growth.title}"
        yield from table([left(growth.key), *map(right, headings)], rows, indent=2)


def _title(model: ConfiguredModel) -> str:
    name = model.bundle.manifest.name
    return f"{name} on {model.described}; {_FRAME[0]}x{_FRAME[1]} but for the image sizes"


def _picture_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".svg"):
        raise argparse.ArgumentTypeError(f"expected a file that ends in .png or .svg, got {text!r}")
    return path
