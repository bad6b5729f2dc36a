"""The files of config/, in the source tree or installed, and the demo's bag."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError


def shared_file(name: str) -> Path:
    """Return the path of a file. Raises Sam3RosError if it is missing.

    name: relative to the root of the source tree, such as config/fastdds.xml.
    """
    looked_at = [folder / name for folder in _folders()]
    for path in looked_at:
        if path.is_file():
            return path
    raise Sam3RosError(
        f"expected a file of this package at {' or '.join(map(str, looked_at))}: install the "
        "package again"
    )


def demo_bag() -> Path:
    """Return the folder of the bag that comes with the package."""
    # Not from sam3_ros.__file__: in a developer install that folder holds only the messages.
    return Path(__file__).parents[2] / "demo_data" / "tabletop_bag"


def _folders() -> Iterator[Path]:
    yield Path(__file__).parents[3]
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in dict.fromkeys([*filter(None, prefixes), sys.prefix]):
        yield Path(prefix) / "share" / "sam3_ros"
