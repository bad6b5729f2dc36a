"""What is asked for: a prompt, of which cameras, for how long and from which frame on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.checks import boxes_of
from sam3_ros.core.segmenter.prompts import InteractivePrompt, Prompt
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.prompts.refusals import shortened

# A model compares them all with each other: some thousands keep it busy for seconds a frame.
MOST_POSITIONS = 256


class Source(Enum):
    """The kind of topic that a prompt came by. Its value: the name within node and camera.

    What comes by CLICK counts as having come by POINT, and a text of the parameter as by TEXT.
    """

    TEXT = "prompt/text"
    POINT = "prompt/point"
    CLICK = "prompt/click"
    BOX = "prompt/box"
    SET = "prompts"
    PARAMETER = "parameter prompts"

    def topic(self, camera: str | None = None) -> str:
        """`~/prompt/text`, or `~/front/prompt/text`; those for all cameras have one name."""
        if self is Source.PARAMETER:
            return self.value
        return Camera("" if self is Source.SET else camera or "").topic(self.value)


@dataclass(frozen=True, eq=False)
class PromptRequest:
    """A prompt as it was asked for.

    Raises PromptError for one with too many points and boxes, or that cannot be followed.

    camera: None for every camera. sticky: follow the object. frames: how many answered frames of
    each camera it lasts, 0 = until replaced, removed or lost. pins: by camera, the stamp in ns of
    the frame that it is answered on first; it waits for the next frame where there is none.
    """

    prompt: Prompt
    camera: str | None = None
    sticky: bool = False
    frames: int = 0
    pins: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.frames < 0:
            raise PromptError(f"a prompt lasts 0 frames (without end) or more, got {self.frames}")
        count = len(self.prompt.points) + len(boxes_of(self.prompt))
        if count > MOST_POSITIONS:
            raise PromptError(
                f"prompt {shortened(self.prompt.id)!r}: expected at most {MOST_POSITIONS} points "
                f"and boxes, got {count}"
            )
        if self.sticky and not isinstance(self.prompt, InteractivePrompt):
            raise PromptError(
                f"prompt {shortened(self.prompt.id)!r} is sticky: expected points or a box that "
                "mark a single object to follow, got a concept; leave sticky false, for a concept "
                "is looked for in every image anyway"
            )

    @property
    def has_position(self) -> bool:
        """It has points or boxes, which were placed on one image."""
        return bool(self.prompt.points or boxes_of(self.prompt))
