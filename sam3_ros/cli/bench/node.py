"""`sam3-ros bench --node`: camera to mask over DDS."""

from __future__ import annotations

import argparse
import json
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING

from sam3_ros.cli.bench.options import (
    OF_FILES,
    OF_GROWTH,
    OF_NODE,
    OF_STAGES,
    fill_in,
    refuse_options,
    sizes_or,
)
from sam3_ros.cli.command import whole_number
from sam3_ros.cli.needs import require
from sam3_ros.cli.node_options import add_parameter_option, require_parameters
from sam3_ros.cli.replay.outcome import INCOMPLETE, NODE_FAILED, run_watched

if TYPE_CHECKING:
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.geometry import ImageSize
    from sam3_ros.replay.node_bench.settings import NodeBenchSettings

_SIZES = ((640, 480), (1920, 1080))
_SECONDS = 10.0
#: More objects of the demo's table, to be tracked beside the first.
_IN_THE_PICTURE = ("white ball", "purple ball", "black ring", "red ring", "white star")


def add_options(group: argparse._ArgumentGroup) -> None:
    """Declare what only this measurement takes."""
    group.add_argument(
        "--transports",
        type=_transports,
        metavar="T,T",
        help="how the camera sends, raw and compressed (default: both, each with its own node)",
    )
    group.add_argument(
        "--encoding",
        choices=("bgr8", "rgb8"),
        help=f"of raw images (default: {OF_NODE['encoding']})",
    )
    group.add_argument(
        "--rate",
        type=_rate,
        metavar="HZ",
        help="frames a second of the second pace, 0 for none; the first is as fast as answered "
        f"(default: {OF_NODE['rate']:g})",
    )
    group.add_argument(
        "--clicks",
        type=whole_number(0),
        metavar="N",
        help=f"on a seen frame (default: {OF_NODE['clicks']})",
    )
    group.add_argument(
        "--tracked",
        type=whole_number(0),
        metavar="N",
        help="texts whose objects are tracked, the first of them --text; no clicks then "
        f"(default: {OF_NODE['tracked']}, nothing is tracked)",
    )
    group.add_argument(
        "--domain", type=int, metavar="N", help="ROS domain (default: one of the bench's own)"
    )
    add_parameter_option(group)


def run(options: argparse.Namespace) -> int:
    """Measure and print. Exit code: 0; 1 if a frame is unaccounted for; 2 if the node failed."""
    refuse_options(options, "with --node", OF_FILES, OF_STAGES, OF_GROWTH)
    fill_in(options, OF_NODE)
    require("rclpy", "sam3_ros.msg", "rosbags")
    require_parameters("-p", (name for name, _ in options.param))
    from sam3_ros.cli.bench.tables import node_table
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.replay.node_bench.bench import bench_node
    from sam3_ros.replay.private_domain import private_domain

    bundle = Bundle.open(options.bundle)
    picture, stages = read_rgb(options.image), frozenset(bundle.manifest.stages)
    with private_domain() if options.domain is None else nullcontext(options.domain) as domain:
        settings = _settings(options, bundle, domain)
        report = run_watched(
            lambda progress: bench_node(settings, picture, stages, progress.say), first_step=None
        )
    if report is None:
        return NODE_FAILED
    print(json.dumps(report.document(), indent=2) if options.json else node_table(report))
    return 0 if report.complete else INCOMPLETE


def _settings(options: argparse.Namespace, bundle: Bundle, domain: int) -> NodeBenchSettings:
    from sam3_ros.replay.node_bench.settings import NodeBenchSettings, Transport

    sizes = sizes_or(options.sizes, _SIZES)
    takes_clicks = "interactive" in bundle.capabilities and not options.tracked
    clicks = options.clicks if takes_clicks else 0
    return NodeBenchSettings(
        sizes=sizes,
        transports=tuple(map(Transport, options.transports)),
        encoding=options.encoding,
        rate=options.rate or None,
        frames=options.frames,
        seconds=options.seconds or _SECONDS,
        clicks=clicks,
        parameters=_parameters(options, bundle, sizes),
        domain_id=domain,
    )


def _parameters(
    options: argparse.Namespace, bundle: Bundle, sizes: tuple[ImageSize, ...]
) -> tuple[tuple[str, str], ...]:
    """Return names and values as `-p` takes them; the user's come last and win."""
    prompts = [options.text]
    if options.tracked:
        others = (each for each in _IN_THE_PICTURE if each != options.text)
        prompts = [options.text, *others][: options.tracked]
    if "concept" not in bundle.capabilities:
        x, y = min(s.width for s in sizes) // 2, min(s.height for s in sizes) // 2
        prompts = [f"{{id: middle, point: [{x}, {y}]}}"]
    own = {
        "bundle": str(bundle.path),
        "backend": options.backend,
        "precision": options.precision,
        "machine_profile": None if options.profile is None else str(options.profile.resolve()),
        "threads": None if options.threads is None else str(options.threads),
        "cuda_graphs": "true" if options.cuda_graphs else None,
        "tracking": "true" if options.tracked else None,
        "prompts": json.dumps(prompts),
    }
    return (*((name, value) for name, value in own.items() if value is not None), *options.param)


def _transports(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not set(names) <= {"raw", "compressed"}:
        raise argparse.ArgumentTypeError(f"expected raw, compressed or both, got {text!r}")
    return names


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate >= 0):
        raise argparse.ArgumentTypeError(f"expected frames a second, or 0, got {text!r}")
    return rate
