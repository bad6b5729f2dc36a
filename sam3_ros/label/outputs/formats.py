"""The formats of outputs, by their names on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.label.outputs.bag import require_numbered, write_bags
from sam3_ros.label.outputs.coco import write_coco
from sam3_ros.label.outputs.parquet import write_parquet
from sam3_ros.label.outputs.review.sheet import write_review
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
    #: Raise Sam3RosError for more prompts than it can have.
    require_numbered: Callable[[int], None] = lambda _: None


def _needs(name: str, *modules: str) -> Callable[[], None]:
    def require() -> None:
        for module in modules:
            if find_spec(module) is None:
                raise Sam3RosError(
                    f"the format {name} needs {module}, which is not here: pip install {module}, "
                    "or leave the format out of --formats"
                )

    return require


FORMATS: Mapping[str, OutputFormat] = {
    each.name: each
    for each in (
        OutputFormat(
            "mcap",
            "a bag beside each bag, in the node's messages",
            _needs("mcap", "rosbags"),
            write_bags,
            require_numbered,
        ),
        OutputFormat("coco", "instances.json of COCO", _needs("coco"), write_coco),
        OutputFormat(
            "parquet", "a table of all objects", _needs("parquet", "pyarrow"), write_parquet
        ),
        OutputFormat("review", "a page for a person", _needs("review"), write_review),
    )
}
