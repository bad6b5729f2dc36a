"""The file of the prompts that are kept over a restart: JSON, as kept_schema.json says.

It is replaced as a whole: whoever reads it, at whatever moment, finds the old prompts or the new
ones. One that is not as it should be is set aside, with `.refused` behind its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from geometry_msgs.msg import Point as PointMessage
from jsonschema import Draft7Validator

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.checked_json import parse_json
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.shortened_text import shortened
from sam3_ros.core.whole_file import whole_file
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt as PromptMessage
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.prompts.messages import active_message
from sam3_ros.ros.prompts.requests import Source

#: More would take long to read at a start.
MOST_BYTES = 256 * 1024
_MOST_VALUES = 100_000
_FORMAT = 1
# What `tracking` was called when it was for clicks and boxes alone.
_OLD_WORD, _NEW_WORD = "sticky", "tracking"
_SCHEMA = Path(__file__).with_name("kept_schema.json")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")


class KeptFileError(Sam3RosError):
    """The prompts cannot be kept, or what was kept cannot be read."""


@dataclass(frozen=True, eq=False)
class KeptPrompt:
    """A prompt as the file has it."""

    #: The topic that it came from.
    source: Source
    #: As it was asked; without frames, because one that ends by itself is not kept.
    message: PromptMessage

    @classmethod
    def of(cls, active: ActivePrompt) -> KeptPrompt:
        return cls(active.source, active_message(active).prompt)


def kept_path(environment: Mapping[str, str], node_name: str, domain: int) -> Path:
    """Return the file of a node: below $ROS_HOME, or ~/.ros, one for each name and domain.

    node_name: fully qualified, such as /front/segmentation_node. Raises KeptFileError if there is
    no home.
    """
    try:
        home = Path(environment.get("ROS_HOME") or "~/.ros").expanduser()
    except RuntimeError as error:
        raise KeptFileError(f"there is no home folder ({error}): set ROS_HOME") from error
    # No part of a name has a dot.
    name = node_name.strip("/").replace("/", ".")
    return home / "sam3_ros" / f"{name}.domain_{domain}.json"


class KeptFile:
    """Reads and writes one file; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._suffix = f".{path.name}.new"

    def read(self) -> tuple[KeptPrompt, ...]:
        """Return what is kept; nothing if there is no file.

        Raises KeptFileError for a file that is not as it should be, which is set aside then.
        """
        try:
            data = read_at_most(self.path, MOST_BYTES)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise self._set_aside(getattr(error, "strerror", None) or str(error)) from error
        try:
            document = _in_new_words(parse_json(data, _MOST_VALUES))
        except ValueError as error:
            raise self._set_aside(shortened(str(error))) from error
        wrong = next(_validator().iter_errors(document), None)
        if wrong is not None:
            place = "/".join(str(step) for step in wrong.absolute_path) or "top level"
            raise self._set_aside(f"{place}: {shortened(wrong.message)}")
        return tuple(_prompt(values) for values in document["prompts"])

    def write(self, node_name: str, prompts: Sequence[KeptPrompt]) -> None:
        """Replace what is kept. Raises KeptFileError, and leaves the old file, if that fails."""
        document = {"format": _FORMAT, "node": node_name, "prompts": [_values(p) for p in prompts]}
        data = json.dumps(document, ensure_ascii=False, indent=1).encode()
        if len(data) > MOST_BYTES:
            raise KeptFileError(
                f"expected prompts of at most {MOST_BYTES} bytes together, got {len(data)}: ask "
                "for less at a time"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path, self._suffix, private=True) as unfinished:
                unfinished.write_bytes(data)
        except (OSError, ValueError) as error:
            raise KeptFileError(getattr(error, "strerror", None) or str(error)) from error

    def remove_unfinished(self) -> None:
        """Remove what writers left behind that were killed."""
        with suppress(OSError, ValueError):
            for unfinished in self.path.parent.glob(f".*{self._suffix}"):
                unfinished.unlink()

    def _set_aside(self, reason: str) -> KeptFileError:
        refused = self.path.with_name(f"{self.path.name}.refused")
        try:
            self.path.replace(refused)
        except OSError as error:
            return KeptFileError(f"{reason}; it could not be set aside either ({error.strerror})")
        return KeptFileError(f"{reason}; it is now {refused}")


@cache
def _validator() -> Any:
    return Draft7Validator(json.loads(_SCHEMA.read_text("utf-8")))


def _in_new_words(document: Any) -> Any:
    """Return what an earlier version wrote, as this one would: an update loses no prompt."""
    prompts = document.get("prompts") if isinstance(document, dict) else None
    for each in prompts if isinstance(prompts, list) else ():
        if isinstance(each, dict) and _OLD_WORD in each and _NEW_WORD not in each:
            each[_NEW_WORD] = each.pop(_OLD_WORD)
    return document


def _values(kept: KeptPrompt) -> dict[str, Any]:
    message = kept.message
    values: dict[str, Any] = {
        "source": kept.source.value,
        "id": message.id,
        "label": message.label,
        "camera": message.camera,
        "text": message.text,
        "tracking": message.tracking,
    }
    for name in ("positive_points", "negative_points"):
        values[name] = [[point.x, point.y] for point in getattr(message, name)]
    for name in ("boxes", "negative_boxes"):
        values[name] = [[getattr(box, c) for c in _CORNERS] for box in getattr(message, name)]
    return {name: value for name, value in values.items() if value or name == "id"}


def _prompt(values: Mapping[str, Any]) -> KeptPrompt:
    message = PromptMessage(tracking=values.get("tracking", False))
    for name in ("id", "label", "camera", "text"):
        setattr(message, name, values.get(name, ""))
    for name in ("positive_points", "negative_points"):
        setattr(
            message, name, [PointMessage(x=float(x), y=float(y)) for x, y in values.get(name, ())]
        )
    for name in ("boxes", "negative_boxes"):
        corners = [map(float, each) for each in values.get(name, ())]
        boxes = [BoxMessage(**dict(zip(_CORNERS, each, strict=True))) for each in corners]
        setattr(message, name, boxes)
    return KeptPrompt(Source(values["source"]), message)
