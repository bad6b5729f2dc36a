"""`sam3-ros bench --report`: one command for whoever has a card, and one page as its result."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sam3_ros.cli.bench.options import (
    OF_GROWTH,
    OF_GROWTH_AND_NODE,
    OF_NODE,
    OF_REPORT,
    OF_STAGES,
    fill_in,
    refuse_options,
)
from sam3_ros.cli.bench.report_node import NodeResult, measure_node, missing_for_node
from sam3_ros.cli.bench.report_page import MARK, ReportHead, report_page
from sam3_ros.cli.command import prepare_output, whole_number
from sam3_ros.cli.out_folder import require_own
from sam3_ros.cli.progress import ProgressLine
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from sam3_ros.bench.matrix.cells import WayResults
    from sam3_ros.bench.matrix.matrix import Asked, Matrix

_NOT_FOR_REPORTS = {"profile": None, "cuda_graphs": False, "json": False, "seconds": None}
#: Kept for the node: it loads and judges its model before it answers.
_NODE_SECONDS, _NODE_PART = 45.0, 0.4
_FRAME = (1920, 1080)


def add_options(group: argparse._ArgumentGroup) -> None:
    """Declare what only this measurement takes."""
    group.add_argument(
        "--within",
        type=whole_number(1),
        metavar="S",
        help="seconds in all; what does not fit is named as left out "
        f"(default: {OF_REPORT['within']})",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, and write the page; return 1 where nothing on it was measured.

    Raises Sam3RosError where there is no device to measure on.
    """
    others = (OF_STAGES, OF_GROWTH, OF_NODE, OF_GROWTH_AND_NODE, _NOT_FOR_REPORTS)
    refuse_options(options, "with --report", *others)
    fill_in(options, OF_REPORT)
    require_own(options.report, MARK, force=bool(options.force))
    prepare_output(options.report)
    began = time.monotonic()
    deadline = began + options.within
    no_node = missing_for_node()
    asked = _asked(options)
    with ProgressLine() as progress:
        progress.say(f"does backend {asked.backend} start?")
        _require_device(asked.backend)
        from sam3_ros.bench.matrix.matrix import measure_matrix

        for_node = 0.0 if no_node else min(_NODE_SECONDS, _NODE_PART * options.within)
        matrix = measure_matrix(asked, deadline - for_node, progress.say)
        node = NodeResult(reason=no_node, is_left_out=True)
        if not no_node:
            progress.say("the node over DDS")
            node = _node(options, matrix, deadline)
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
    seconds = time.monotonic() - began
    head = ReportHead(_command(), made, seconds, options.within, asked.backend)
    write_whole(options.report, report_page(head, matrix, node))
    print(f"written: {options.report} ({seconds:.0f} s)")
    return 0 if any(map(_answered, matrix.columns)) else 1


def _asked(options: argparse.Namespace) -> Asked:
    from sam3_ros.bench.matrix.cells import TEXTS
    from sam3_ros.bench.matrix.matrix import Asked
    from sam3_ros.bench.scenarios import Workload
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.geometry import ImageSize
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.segmenter.pixels import resized

    width, height = _FRAME
    image = resized(read_rgb(options.image), ImageSize(height, width), "bilinear_antialias")
    bundles = {str(bundle.path): bundle for bundle in map(Bundle.open, options.bundles)}
    return Asked(
        tuple(bundles.values()),
        options.backend or "cuda",
        None if options.precision is None else (options.precision,),
        Workload(image, options.text, prompts=max(TEXTS)),
        options.threads,
        options.frames,
    )


def _require_device(backend: str) -> None:
    """Raise Sam3RosError where no session of the backend starts."""
    from sam3_ros.bench.matrix.child import Ended, in_child
    from sam3_ros.bench.matrix.probe import probe

    ended = Ended()
    for found in in_child(probe, (backend,), time.monotonic() + 60.0):
        if isinstance(found, Ended):
            ended = found
    if ended.reason:
        raise Sam3RosError(
            f"nothing to report of backend {backend!r}: {ended.reason}; `--backend cpu` measures "
            f"the same on the CPU"
        )


def _node(options: argparse.Namespace, matrix: Matrix, deadline: float) -> NodeResult:
    """Measure the node on the first way of the first bundle that gave an answer."""
    column = next((each for each in matrix.columns if _answered(each)), None)
    if column is None:
        return NodeResult(reason="no bundle gave an answer that a node could be measured with")
    return measure_node(
        column.bundle, column.way, options.text, options.image, options.threads, deadline
    )


def _answered(column: WayResults) -> bool:
    return any(cell.measured is not None for cell in column.cells.values())


def _command() -> str:
    return shlex.join(["sam3-ros", *sys.argv[1:]])
