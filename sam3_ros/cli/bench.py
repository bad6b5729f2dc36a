"""`sam3-ros bench`: how fast a bundle answers on this machine."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.cli import bench_growth, bench_node
from sam3_ros.cli.command import add_command
from sam3_ros.cli.model_options import add_model_options, load_segmenter, whole_number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sam3_ros.cli.command import Commands
    from sam3_ros.core.benchmark import Measurement
    from sam3_ros.core.segmenter import Segmenter


LARGEST_SIDE = 16384
SHIPPED_PICTURE = Path(__file__).parents[1] / "demo_data" / "table.jpg"


def register(commands: Commands) -> None:
    parser = add_command(
        commands,
        "bench",
        "time a bundle: median and p95 of every stage, and frames per second",
        """
        sam3-ros bench --bundle tabletop
        sam3-ros bench --bundle tabletop --threads 2 --frames 200 --json
        sam3-ros bench --bundle ./my_bundle --image street.jpg --size 1280x720 --text car
        """,
        _run,
    )
    parser.add_argument(
        "--frames", type=whole_number, default=100, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--size", type=_size, default=(640, 480), metavar="WxH", help="default: 640x480"
    )
    parser.add_argument("--text", default="red cube", help="the phrase (default: %(default)s)")
    parser.add_argument(
        "--image", type=Path, default=SHIPPED_PICTURE, help="a picture (default: the demo's table)"
    )
    add_model_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    another = parser.add_mutually_exclusive_group()
    another.add_argument(
        "--growth", action="store_true", help="cost against prompts, cameras, points and image size"
    )
    another.add_argument(
        "--node", action="store_true", help="camera to mask over DDS, with a node of its own"
    )
    bench_growth.add_options(parser.add_argument_group("with --growth"))
    bench_node.add_options(parser.add_argument_group("with --node"))


def _run(options: argparse.Namespace) -> int:
    if options.growth:
        return bench_growth.run(options)
    if options.node:
        return bench_node.run(options)
    image = _picture(options.image, options.size)
    with load_segmenter(options) as segmenter:
        measurements = list(_measurements(segmenter, image, options))
        document: dict[str, Any] = {
            "bundle": segmenter.bundle.manifest.name,
            "backend": options.backend,
            "precision": options.precision,
            "threads": options.threads,
            "providers": segmenter.providers,
            "width": image.shape[1],
            "height": image.shape[0],
            "scenarios": [asdict(measurement) for measurement in measurements],
        }
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        _print_table(document, measurements)
    return 0


def _measurements(
    segmenter: Segmenter, image: npt.NDArray[np.uint8], options: argparse.Namespace
) -> list[Measurement]:
    from sam3_ros.core.benchmark import measure_frames, measure_seen_frame
    from sam3_ros.core.prompts import ConceptPrompt, InteractivePrompt

    found: list[Measurement] = []
    text = ConceptPrompt(options.text)
    centre = InteractivePrompt(points=((image.shape[1] / 2, image.shape[0] / 2),))
    frames = options.frames
    if "concept" in segmenter.bundle.capabilities:
        title = f"text {options.text!r}, every frame new, text cached"
        found.append(measure_frames(segmenter, title, image, [text], frames))
    if "interactive" in segmenter.bundle.capabilities:
        title = "one click, every frame new"
        found.append(measure_frames(segmenter, title, image, [centre], frames))
        title = "one click on a seen frame"
        found.append(measure_seen_frame(segmenter, title, image, [centre], frames))
    return found


def _print_table(document: dict[str, Any], measurements: list[Measurement]) -> None:
    threads = document["threads"] or "all"
    print(
        f"{document['bundle']} on {document['backend']} ({document['precision']}, threads: "
        f"{threads}), {document['width']}x{document['height']}"
    )
    for measurement in measurements:
        print(
            f"\n{measurement.scenario}: {measurement.per_second:.1f} per second "
            f"({measurement.repeats} repeats, {measurement.segments} segments)"
        )
        print(f"  {'step':<20}{'median ms':>12}{'p95 ms':>12}")
        for step, time in measurement.steps.items():
            print(f"  {step:<20}{time.median_ms:>12.2f}{time.p95_ms:>12.2f}")


def _picture(path: Path, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    from sam3_ros.core.geometry import ImageSize
    from sam3_ros.core.image_file import read_rgb
    from sam3_ros.core.pixel_values import resized

    width, height = size
    return resized(read_rgb(path), ImageSize(height, width), "bilinear_antialias")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal()]
    if len(sides) != 2 or min(sides) < 1 or max(sides) > LARGEST_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT such as 640x480, at most {LARGEST_SIDE} each, got {text!r}"
        )
    return int(width), int(height)
