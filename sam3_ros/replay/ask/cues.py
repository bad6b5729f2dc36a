"""What is asked during a replay, and when: texts, clicks and boxes at times of the bag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sam3_ros.core.errors import PromptError
from sam3_ros.ros.cameras import Camera

# As the node names what comes by its simple topics.
POINT_ID, BOX_ID = "point", "box"


FOLLOWED_ID = "followed"


class On(Enum):
    """Which image a click is answered on.

    IMAGE: the one that it was placed on, named by its stamp: the newest that was answered, as for
    somebody who clicks on the overlay; the next image if none was. NEWEST: whichever is the newest
    when it reaches the node.
    """

    IMAGE = "image"
    NEWEST = "newest"


@dataclass(frozen=True)
class TextCue:
    """at: seconds since the bag's first message. text: phrases between ";", empty clears them.

    camera: empty for every one. id: empty for ~/prompt/text, whose phrases replace each other;
    else one phrase that is asked beside the others.
    """

    at: float
    text: str
    camera: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if self.id and len(self.phrases) != 1:
            raise PromptError(f"a text with an id is one phrase, got {self.text!r}")

    @property
    def phrases(self) -> tuple[str, ...]:
        """As the node names its prompts."""
        phrases = (" ".join(phrase.split()) for phrase in self.text.split(";"))
        return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))


@dataclass(frozen=True)
class PointCue:
    """A click at x, y, image px.

    camera: empty for the only one. sticky: the object is followed until it is lost. id: to remove
    it by; with one it is asked until then. Empty: the node's own, and it lasts one answer.
    """

    at: float
    x: float
    y: float
    camera: str = ""
    on: On = On.IMAGE
    sticky: bool = False
    id: str = ""

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise PromptError(f"a click needs finite coordinates, got {self.x}, {self.y}")

    @property
    def prompt_id(self) -> str:
        return self.id or (FOLLOWED_ID if self.sticky else POINT_ID)


@dataclass(frozen=True)
class BoxCue:
    """A box, whole image px: its top left corner and its size. The others as in PointCue."""

    at: float
    x: int
    y: int
    width: int
    height: int
    camera: str = ""
    on: On = On.NEWEST
    sticky: bool = False
    id: str = ""

    def __post_init__(self) -> None:
        _check_time(self.at)
        Camera(self.camera)
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise PromptError(
                "a box needs x and y of 0 or more, width and height of 1 or more, got "
                f"{self.x}, {self.y}, {self.width}, {self.height}"
            )

    @property
    def prompt_id(self) -> str:
        return self.id or (FOLLOWED_ID if self.sticky else BOX_ID)


@dataclass(frozen=True)
class RemoveCue:
    """The prompt of this id is asked no longer."""

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


def asked_at(cues: Sequence[PromptCue], at: float, click_seconds: float, camera: str = "") -> str:
    """What a camera is asked at a time, in words; clicks and boxes count for click_seconds."""
    past = [c for c in cues if c.at <= at and c.camera in ("", camera)]
    texts = {c.camera: c.text for c in past if isinstance(c, TextCue) and not c.id}
    words = [text for text in texts.values() if text.strip()]
    words += [f"{name} {kind}" if name else kind for name, kind in _lasting(past).items()]
    fresh = [c for c in past if at - click_seconds < c.at]
    words += ["click"] if any(isinstance(c, PointCue) and not c.id for c in fresh) else []
    words += ["box"] if any(isinstance(c, BoxCue) and not c.id for c in fresh) else []
    return " + ".join(words) or "nothing asked"


def _lasting(past: Sequence[PromptCue]) -> dict[str, str]:
    """What was asked by an id and not removed since."""
    found: dict[str, str] = {}
    for cue in past:
        if isinstance(cue, RemoveCue):
            found.pop(cue.id, None)
        elif isinstance(cue, TextCue):
            found |= {cue.id: cue.text} if cue.id else {}
        elif cue.sticky or cue.id:
            found[cue.id] = "followed" if cue.sticky else "click"
    return found


def _check_time(at: float) -> None:
    if not (math.isfinite(at) and at >= 0):
        raise PromptError(f"expected a time of 0 or more seconds into the bag, got {at}")


def is_on_image(cue: PromptCue) -> bool:
    """Whether it is a click that names the image it was placed on."""
    return isinstance(cue, (PointCue, BoxCue)) and cue.on is On.IMAGE
