"""`sam3-ros bench --growth`: cost against prompts, cameras, points and image size."""

from __future__ import annotations

import argparse

from sam3_ros.cli.bench_sizes import add_sizes_option
from sam3_ros.core.errors import Sam3RosError


def add_options(group: argparse._ArgumentGroup) -> None:
    """Declare what only this measurement takes."""
    add_sizes_option(group)


def run(options: argparse.Namespace) -> int:
    raise Sam3RosError(f"--growth does not run yet on {options.bundle}")
