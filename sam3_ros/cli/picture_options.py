"""How picture files are read, as command-line options."""

from __future__ import annotations

import argparse

from sam3_ros.cli.command import positive_number


def add_picture_options(parser: argparse.ArgumentParser) -> None:
    """Declare --bit-depth and --max-megapixels."""
    parser.add_argument(
        "--bit-depth",
        type=_bit_depth,
        default=0,
        metavar="N",
        help="bits that the camera put into the 16 of a file: 8 to 16 (default: what the file "
        "says)",
    )
    parser.add_argument(
        "--max-megapixels",
        type=positive_number("a number above 0"),
        metavar="N",
        help="read pictures of up to N million pixels (default: 50)",
    )


def _bit_depth(text: str) -> int:
    if not text.isdecimal() or int(text) not in (0, *range(8, 17)):
        raise argparse.ArgumentTypeError(
            f"expected 8 to 16, or 0 for what the file says; got {text!r}"
        )
    return int(text)
