"""What may be asked of an image: every instance of a concept, or one object pointed at.

Both kinds check themselves when they are made (PromptError). Whether they lie on the image is
checked by Segmenter.ask, which knows the image's size (positions.py). Coordinates: see geometry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.text_cleaning import cleaned_as_clip

#: Of a text, an id and a label.
MAX_TEXT_CHARACTERS = 1000
#: The id of a concept prompt without text.
VISUAL = "visual"


@dataclass(frozen=True)
class ConceptPrompt:
    """A request for all instances of a concept, named by text, shown by exemplar boxes, or both."""

    #: Without a text the exemplars alone show the concept; at least one must be positive then.
    text: str | None = None
    exemplars: tuple[Box, ...] = ()
    #: 1 (positive) or 0 (negative) for each exemplar; all positive by default.
    exemplar_labels: tuple[int, ...] = ()
    #: Select among what was found: an instance stays if its mask holds any positive point (where
    #: there are any) and no negative one.
    points: tuple[tuple[float, float], ...] = ()
    #: 1 (positive) or 0 (negative) for each point; all positive by default.
    point_labels: tuple[int, ...] = ()
    #: Names the answers; by default the text or "visual".
    id: str = ""
    #: What people read beside a segment; by default the text or the id.
    label: str = ""

    def __post_init__(self) -> None:
        if self.text is not None:
            _check_text(self.text)
        _set(self, "exemplars", tuple(_box(box) for box in self.exemplars))
        _set(self, "exemplar_labels", _labels(self.exemplar_labels, len(self.exemplars), "box"))
        _set(self, "points", _points(self.points))
        _set(self, "point_labels", _labels(self.point_labels, len(self.points), "point"))
        if self.text is None and 1 not in self.exemplar_labels:
            raise PromptError(
                "a concept prompt needs text or at least one positive exemplar box, got neither"
            )
        name = " ".join(self.text.split()) if self.text is not None else ""
        _set(self, "id", self.id or name or VISUAL)
        _set(self, "label", self.label or name or self.id)
        _check_names(self)


@dataclass(frozen=True)
class InteractivePrompt:
    """A request for one object, shown by points, a box, or both.

    Negative points alone are taken too, as the original takes them.
    """

    points: tuple[tuple[float, float], ...] = ()
    #: 1 (positive) or 0 (negative) for each point; all positive by default.
    point_labels: tuple[int, ...] = ()
    box: Box | None = None
    #: Names the answers; by default "point", "box" or "point+box".
    id: str = ""
    #: What people read beside a segment; by default the id.
    label: str = ""

    def __post_init__(self) -> None:
        _set(self, "points", _points(self.points))
        _set(self, "point_labels", _labels(self.point_labels, len(self.points), "point"))
        if self.box is not None:
            _box(self.box)
        if self.box is None and not self.points:
            raise PromptError(
                "an interactive prompt needs a box or at least one point, got neither"
            )
        kinds = ("point" if self.points else "", "box" if self.box else "")
        _set(self, "id", self.id or "+".join(kind for kind in kinds if kind))
        _set(self, "label", self.label or self.id)
        _check_names(self)


Prompt = ConceptPrompt | InteractivePrompt


def _set(prompt: Prompt, field: str, value: object) -> None:
    object.__setattr__(prompt, field, value)  # the only way to set a field of a frozen dataclass


def _check_names(prompt: Prompt) -> None:
    for what, name in (("id", prompt.id), ("label", prompt.label)):
        if len(name) > MAX_TEXT_CHARACTERS:
            raise PromptError(
                f"the {what} of a prompt has at most {MAX_TEXT_CHARACTERS} characters, "
                f"got {len(name)}"
            )


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise PromptError(f"a text prompt must be a str, got {type(text).__name__}")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise PromptError(
            f"a text prompt has at most {MAX_TEXT_CHARACTERS} characters, got {len(text)}"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, as broken input leaves it
        raise PromptError(
            f"a text prompt must be valid Unicode, got {text[error.start]!r} at character "
            f"{error.start + 1}: is the input UTF-8?"
        ) from error
    if not cleaned_as_clip(text):
        got = f"; {text!r} holds nothing to read" if text.strip() else ""
        raise PromptError(f'a text prompt must not be blank: give a word such as "cube"{got}')


def _box(box: Box) -> Box:
    if not isinstance(box, Box):
        raise PromptError(
            f"a box must be a Box(x_min, y_min, x_max, y_max), got {type(box).__name__}"
        )
    return box


def _points(points: Sequence[tuple[float, float]]) -> tuple[Point, ...]:
    return tuple(_point(point) for point in points)


def _point(point: tuple[float, float]) -> Point:
    try:
        x, y = (float(value) for value in point)
    except (TypeError, ValueError) as error:
        raise PromptError(f"a point must be a pair (x, y) of numbers, got {point!r}") from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise PromptError(f"a point needs finite coordinates, got ({x:g}, {y:g})")
    return Point(x, y)


def _labels(labels: Sequence[int], count: int, of_what: str) -> tuple[int, ...]:
    if len(labels) == 0:  # labels may be an array, which has no truth value
        return (1,) * count
    if len(labels) != count:
        raise PromptError(
            f"every {of_what} needs one label: got {count} {of_what}(s) and {len(labels)} label(s)"
        )
    if any(label not in (0, 1) for label in labels):
        raise PromptError(f"a {of_what} label is 1 (positive) or 0 (negative), got {tuple(labels)}")
    return tuple(int(label) for label in labels)
