"""The options of every command that runs a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam3_ros.core.segmenter import Segmenter


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
    group.add_argument("--threads", type=whole_number, metavar="N", help="default: every core")


def whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def load_segmenter(options: argparse.Namespace) -> Segmenter:
    from sam3_ros.core.segmenter import Segmenter

    return Segmenter.load(options.bundle, options.backend, options.precision, options.threads)
