"""Where config/ lies, in the source tree or as it was installed, and the demo's bag."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError


def shared_file(name: str) -> Path:
    """name: relative to the root of the source tree, such as config/fastdds.xml.

    Raises Sam3RosError if the package is not whole.
    """
    looked_at = [folder / name for folder in _folders()]
    for path in looked_at:
        if path.is_file():
            return path
    raise Sam3RosError(
        f"expected a file of this package at {' or '.join(map(str, looked_at))}: install the "
        "package anew"
    )


def demo_bag() -> Path:
    """The bag that comes with the package."""
    # Not by sam3_ros.__file__: beside the messages of a developer install lies no data.
    return Path(__file__).parents[2] / "demo_data" / "tabletop_bag"


def _folders() -> Iterator[Path]:
    yield Path(__file__).parents[3]
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in dict.fromkeys([*filter(None, prefixes), sys.prefix]):
        yield Path(prefix) / "share" / "sam3_ros"
