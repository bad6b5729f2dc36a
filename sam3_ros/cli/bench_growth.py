"""`sam3-ros bench --growth`: cost against prompts, cameras, points and image size."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.bench_model import BenchModel, model_of
from sam3_ros.cli.bench_refusals import OF_NODE, OF_STAGES, refuse_options
from sam3_ros.cli.bench_sizes import add_sizes_option, sizes_or
from sam3_ros.cli.output_file import make_way_for
from sam3_ros.cli.replay_progress import ProgressLine

if TYPE_CHECKING:
    from sam3_ros.bench.growth import Growth

_SECONDS = 1.0
_FRAME = (640, 480)


def add_options(group: argparse._ArgumentGroup) -> None:
    """Declare what only this measurement takes."""
    add_sizes_option(group)
    group.add_argument(
        "--plot",
        type=_picture_file,
        metavar="FILE",
        help="draw it, as .png or .svg; needs matplotlib (extra bench)",
    )


def run(options: argparse.Namespace) -> int:
    refuse_options(options, "with --growth", OF_STAGES, OF_NODE)
    if options.plot is not None:
        from sam3_ros.cli.growth_plot import require_matplotlib

        require_matplotlib()
        make_way_for(options.plot)
    model = model_of(options)
    found = _measured(options, model)
    if options.plot is not None:
        from sam3_ros.cli.growth_plot import draw_growths

        draw_growths(found, _title(model), options.plot)
    if options.json:
        print(json.dumps(_document(model, found), indent=2))
    else:
        print("\n".join(_table(model, found)))
    return 0


def _measured(options: argparse.Namespace, model: BenchModel) -> list[Growth]:
    from sam3_ros.bench.growth import SIZES, growths
    from sam3_ros.bench.measurement import Budget
    from sam3_ros.bench.scenarios import Question
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.segmenter.pixels import resized
    from sam3_ros.core.segmenter.segmenter import Segmenter

    sizes = sizes_or(options.sizes, [(size.width, size.height) for size in SIZES])
    frame = resized(read_rgb(options.image), *sizes_or(None, [_FRAME]), "bilinear_antialias")
    # One repeat may take longer than all the time there is, and a full-size model has many.
    budget = Budget(options.frames, options.seconds or _SECONDS, least=1)
    progress = ProgressLine()
    try:
        with Segmenter.load(
            model.bundle, threads=model.threads, plan=model.plan, cuda_graphs=options.cuda_graphs
        ) as segmenter:
            question = Question(frame, options.text)
            return list(growths(segmenter, question, sizes, budget, progress.say))
    finally:
        progress.close()


def _document(model: BenchModel, found: Sequence[Growth]) -> dict[str, Any]:
    return {
        "bundle": model.bundle.manifest.name,
        **model.document(),
        "growth": {
            growth.key: {
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
            for growth in found
        },
    }


def _table(model: BenchModel, found: Sequence[Growth]) -> Iterator[str]:
    yield _title(model)
    for growth in found:
        yield ""
        yield f"{growth.key}: {growth.title}"
        yield (
            f"  {growth.key:<12}{'median ms':>12}{'p95 ms':>12}{'x first':>10}"
            f"{'per ' + growth.item:>16}{'each more':>12}{'repeats':>9}"
        )
        for point in growth.points:
            more = growth.each_more_ms(point)
            yield (
                f"  {point.label:<12}{point.median_ms:>12.2f}{point.p95_ms:>12.2f}"
                f"{growth.ratio(point):>10.2f}{point.per_item_ms:>16.2f}"
                f"{'' if more is None else format(more, '.2f'):>12}{point.repeats:>9}"
            )


def _title(model: BenchModel) -> str:
    name = model.bundle.manifest.name
    return f"{name} on {model.described}; {_FRAME[0]}x{_FRAME[1]} but for the image sizes"


def _picture_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".svg"):
        raise argparse.ArgumentTypeError(f"expected a file that ends in .png or .svg, got {text!r}")
    return path
