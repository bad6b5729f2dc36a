"""The options of every command that runs a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam3_ros.core.segmenter.segmenter import Segmenter


def add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--bundle", default="tabletop", help="name or folder of a bundle (default: %(default)s)"
    )
    group.add_argument(
        "--backend", default="cpu", help="cpu, cuda, tensorrt or openvino (default: %(default)s)"
    )
    group.add_argument(
        "--precision", default="fp32", help="which of the bundle's files (default: %(default)s)"
    )
    group.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="what sam3-ros tune wrote, in place of --backend and --precision",
    )
    group.add_argument(
        "--cuda-graphs", action="store_true", help="replay what a GPU runs in the same shapes again"
    )
    group.add_argument("--threads", type=whole_number, metavar="N", help="default: every core")


def whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def load_segmenter(options: argparse.Namespace) -> Segmenter:
    """Raises ProfileError for a profile that does not fit; else as Segmenter.load."""
    from sam3_ros.core.bundle.bundle import Bundle
    from sam3_ros.core.profile.configured_plan import ConfiguredPlan
    from sam3_ros.core.segmenter.segmenter import Segmenter
    from sam3_ros.core.stages.plan import StageChoice

    choice = StageChoice(options.backend, options.precision)
    configured = ConfiguredPlan(choice, options.threads, profile=options.profile)
    bundle = Bundle.open(options.bundle)
    plan, threads = configured.of(bundle)
    return Segmenter.load(bundle, threads=threads, plan=plan, cuda_graphs=options.cuda_graphs)
