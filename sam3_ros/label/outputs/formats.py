"""The formats of outputs, by their names on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.label.results import RunResults


@dataclass(frozen=True)
class OutputFormat:
    """A way to write a run's results."""

    #: As in --formats.
    name: str
    #: For people, in a few words.
    what: str
    #: Raise Sam3RosError where a package that it needs is not installed, saying which.
    require: Callable[[], None]
    #: Write files into a folder, each whole or not at all, and return them; the same bytes for the
    #: same results. Raises OSError.
    write: Callable[[RunResults, Path], tuple[Path, ...]]


FORMATS: Mapping[str, OutputFormat] = {}
