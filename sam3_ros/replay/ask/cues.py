"""Cues: the texts, clicks and boxes of a replay, each at a time of the bag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.phrases import split_phrases
from sam3_ros.ros.cameras import Camera

# The ids that the node gives to prompts from its simple topics.
POINT_ID, BOX_ID = "point", "box"
FOLLOWED_ID = "followed"


class On(Enum):
    """The image on which a click is answered."""

    #: The image that the click was placed on, named by its stamp: the newest one that was
    #: answered, as for somebody who clicks on the overlay; the next image if none was answered.
    IMAGE = "image"
    #: The newest image when the click reaches the node.
    NEWEST = "newest"


@dataclass(frozen=True)
class TextCue:
    """A text prompt. Raises PromptError."""

    #: Seconds since the bag's first message.
    at: float
    #: Phrases separated by ";"; an empty text clears them.
    text: str
    #: Empty for all cameras.
    camera: str = ""
    #: Empty for ~/prompt/text, whose phrases replace each other; else one phrase, asked in
    #: addition to the others.
    id: str = ""
    #: What is found keeps an id from image to image. Each phrase is asked in addition to the
    #: others, by the phrase as its id unless one is given.
    tracking: bool = False

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if self.id and len(self.phrases) != 1:
            raise PromptError(f"a text with an id is one phrase, got {self.text!r}")
        if self.tracking and not self.phrases:
            raise PromptError("a text that is tracked has a phrase or more, got none")

    @property
    def phrases(self) -> tuple[str, ...]:
        """The phrases in the form in which the node uses them as prompt ids."""
        return split_phrases(self.text)

    @property
    def added(self) -> dict[str, str]:
        """The phrases, by their ids, that are asked in addition to those of ~/prompt/text."""
        if self.id:
            return {self.id: self.phrases[0]}
        return {phrase: phrase for phrase in self.phrases} if self.tracking else {}


@dataclass(frozen=True)
class PointCue:
    """A click. Raises PromptError."""

    #: Seconds since the bag's first message.
    at: float
    #: Image px.
    x: float
    y: float
    #: Empty for the only camera.
    camera: str = ""
    on: On = On.IMAGE
    #: Follow the object until it is lost for good.
    tracking: bool = False
    #: With an id the prompt is asked until it is removed by that id. Empty: the node chooses the
    #: id, and the prompt lasts one answer.
    id: str = ""

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise PromptError(f"a click needs finite coordinates, got {self.x}, {self.y}")

    @property
    def prompt_id(self) -> str:
        return self.id or (FOLLOWED_ID if self.tracking else POINT_ID)


@dataclass(frozen=True)
class BoxCue:
    """A box as two corners. camera, tracking and id are as in PointCue. Raises PromptError."""

    #: Seconds since the bag's first message.
    at: float
    #: Whole image px, the maximum exclusive.
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    camera: str = ""
    on: On = On.NEWEST
    tracking: bool = False
    id: str = ""

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if min(self.x_min, self.y_min) < 0 or min(self.width, self.height) < 1:
            raise PromptError(
                "a box needs whole pixels with 0 <= x_min < x_max and 0 <= y_min < y_max, got "
                f"{self.x_min}, {self.y_min}, {self.x_max}, {self.y_max}"
            )

    @property
    def width(self) -> int:
        return self.x_max - self.x_min

    @property
    def height(self) -> int:
        return self.y_max - self.y_min

    @property
    def box(self) -> Box:
        return Box(self.x_min, self.y_min, self.x_max, self.y_max)

    @property
    def prompt_id(self) -> str:
        return self.id or (FOLLOWED_ID if self.tracking else BOX_ID)


@dataclass(frozen=True)
class RemoveCue:
    """The end of the prompt with this id. Raises PromptError."""

    #: Seconds since the bag's first message.
    at: float
    id: str
    camera: str = ""

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if not self.id:
            raise PromptError("expected the id of a prompt to remove, got an empty one")


ClickCue: TypeAlias = PointCue | BoxCue
PromptCue: TypeAlias = TextCue | PointCue | BoxCue | RemoveCue


def is_on_image(cue: PromptCue) -> bool:
    """Return whether the cue is a click that names the image it was placed on."""
    return isinstance(cue, (PointCue, BoxCue)) and cue.on is On.IMAGE


def asked_at(cues: Sequence[PromptCue], at: float, click_seconds: float, camera: str = "") -> str:
    """Describe what a camera is asked at a time; clicks and boxes last click_seconds."""
    past = [c for c in cues if c.at <= at and c.camera in ("", camera)]
    texts = {c.camera: c.text for c in past if isinstance(c, TextCue) and not c.added}
    words = [text for text in texts.values() if text.strip()]
    words += _lasting(past).values()
    fresh = [c for c in past if at - click_seconds < c.at]
    words += ["click"] if any(isinstance(c, PointCue) and not c.id for c in fresh) else []
    words += ["box"] if any(isinstance(c, BoxCue) and not c.id for c in fresh) else []
    return " + ".join(words) or "nothing asked"


def _lasting(past: Sequence[PromptCue]) -> dict[str, str]:
    """Describe by id each prompt that lasts and has not been removed."""
    found: dict[str, str] = {}
    for cue in past:
        if isinstance(cue, RemoveCue):
            found.pop(cue.id, None)
        elif isinstance(cue, TextCue):
            tracked = " tracked" if cue.tracking else ""
            found |= {
                id_: f"{phrase}{tracked}" if id_ == phrase else f"{id_} {phrase}{tracked}"
                for id_, phrase in cue.added.items()
            }
        elif cue.tracking or cue.id:
            kind = "followed" if cue.tracking else "click"
            found[cue.prompt_id] = f"{cue.id} {kind}" if cue.id else kind
    return found


def _check_time(at: float) -> None:
    if not (math.isfinite(at) and at >= 0):
        raise PromptError(f"expected a time of 0 or more seconds into the bag, got {at}")
