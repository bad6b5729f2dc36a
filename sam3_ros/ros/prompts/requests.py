"""A prompt as it was asked for, and the error that refuses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.positions import boxes_of
from sam3_ros.core.segmenter.prompts import MAX_TEXT_CHARACTERS, Prompt
from sam3_ros.ros.cameras import Camera

# The model compares all points and boxes with each other: thousands take seconds per frame.
MOST_POSITIONS = 256
LONGEST_NAME = 60
#: Why a click is refused whose answer nobody would get.
UNHEARD = "nobody listens to the answers: subscribe to one, then ask again"


class Source(Enum):
    """How a prompt reached the node. Value: the topic's name, without node and camera.

    A click on CLICK counts as POINT, a plain text of the parameter as TEXT.
    """

    TEXT = "prompt/text"
    POINT = "prompt/point"
    CLICK = "prompt/click"
    BOX = "prompt/box"
    SET = "prompts"
    PARAMETER = "parameter prompts"

    def topic(self, camera: str | None = None) -> str:
        """Return `~/prompt/text`, or `~/front/prompt/text`; ~/prompts serves all cameras."""
        if self is Source.PARAMETER:
            return self.value
        return Camera("" if self is Source.SET else camera or "").topic(self.value)


def has_position(prompt: Prompt) -> bool:
    """Return whether a prompt has points or boxes."""
    return bool(prompt.points or boxes_of(prompt))


@dataclass(frozen=True)
class TopicSettings:
    """What the messages of ~/prompt/text, point, click and box have no field for."""

    #: Whether what they find is tracked. Then a click or box lasts as long as its object is.
    tracking: bool
    #: How long other clicks and boxes last, by the stamps of the frames, from the first answer on;
    #: 0 until it is replaced.
    seconds: float


@dataclass(frozen=True, eq=False)
class PromptRequest:
    """A prompt, its cameras, how long it lasts and which frames answer it first.

    Raises PromptError for a negative number of frames, and for more than MOST_POSITIONS points and
    boxes.
    """

    prompt: Prompt
    #: The only camera it is asked of; None for every camera.
    camera: str | None = None
    #: Whether what it finds keeps its id from frame to frame.
    tracking: bool = False
    #: Answered frames of each camera it lasts; 0 until it is replaced, removed or its object ends.
    frames: int = 0
    #: Seconds it lasts at each camera, by the stamps of the frames; 0 for no such end.
    seconds: float = 0.0
    #: By camera: stamp, ns, of the frame that answers it first; a camera without one: the next.
    pins: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.frames < 0:
            raise PromptError(f"a prompt lasts 0 frames (without end) or more, got {self.frames}")
        require_few_positions(self.prompt.id, len(self.prompt.points) + len(boxes_of(self.prompt)))

    @property
    def has_position(self) -> bool:
        """Whether it has points or boxes, which were placed on one image."""
        return has_position(self.prompt)


class PromptRefusedError(PromptError):
    """A prompt that is refused; the message names it by its id, or else as `called`."""

    def __init__(self, prompt_id: str, reason: str, camera: str = "", called: str = "") -> None:
        """Name the prompt in the reason. camera: as it was given, empty for every camera."""
        name = repr(shortened(prompt_id)) if prompt_id else called
        is_named = not name or name in reason or repr(prompt_id) in reason
        kind = "prompt " if prompt_id else ""
        super().__init__(reason if is_named else f"{kind}{name}: {reason}")
        fits = len(prompt_id) <= MAX_TEXT_CHARACTERS
        self.prompt_id = prompt_id if fits else shortened(prompt_id)
        self.camera = shortened(camera)

    @classmethod
    def repeated_id(cls, camera: str | None, prompt_id: str) -> PromptRefusedError:
        """Return the error for an id that occurs twice; camera None means every camera."""
        where = f" at the camera {camera!r}" if camera else ""
        reason = f"expected different ids{where}, got {shortened(prompt_id)!r} more than once"
        return cls(prompt_id, reason, camera or "")

    @classmethod
    def unknown_id(
        cls, camera: str | None, prompt_id: str, is_asked_elsewhere: bool
    ) -> PromptRefusedError:
        """Return the error for an id that is not in use; camera None means every camera."""
        where = f" of the camera {camera!r}" if camera else ""
        advice = "~/active_prompts lists them"
        if is_asked_elsewhere:
            advice = "it is in use for other cameras: leave the camera empty, or name one of them"
        got = f"got {shortened(prompt_id)!r}: {advice}"
        return cls(prompt_id, f"expected the id of a prompt in use{where}, {got}", camera or "")


@contextmanager
def refusing(prompt_id: str, camera: str = "", called: str = "") -> Iterator[None]:
    """Turn a PromptError of the body into a PromptRefusedError that names the prompt."""
    try:
        yield
    except PromptRefusedError:
        raise
    except PromptError as error:
        raise PromptRefusedError(prompt_id, str(error), camera, called) from error


def require_few_positions(prompt_id: str, count: int) -> None:
    """Raise PromptError for a prompt with more points and boxes than MOST_POSITIONS."""
    if count > MOST_POSITIONS:
        name = f"prompt {shortened(prompt_id)!r}: " if prompt_id else ""
        raise PromptError(f"{name}expected at most {MOST_POSITIONS} points and boxes, got {count}")


def with_prompt_name(prompt_id: str, reason: str) -> str:
    """Return the reason, with the prompt's id in front unless it is in there already."""
    name = repr(shortened(prompt_id))
    return f"prompt {name}: {reason}" if prompt_id and name not in reason else reason


def shortened(name: str) -> str:
    """Cut a name to LONGEST_NAME characters, for messages."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
