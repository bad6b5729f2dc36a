"""What is asked of a held picture, and what it found there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.core.pictures.palette import prompt_colour, track_colour
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.node.answers import NameOf
from sam3_ros.look.node.marks import put_marks
from sam3_ros.look.node.prompt_list import kind_of
from sam3_ros.look.viewing import ListedPrompt, Marks, PictureStamp
from sam3_ros.msg import ActivePrompt, Prompt

_HIGHEST_VALUE = 254


@dataclass(frozen=True, eq=False)
class HeldStart:
    """A picture as the node answered it."""

    camera: str
    stamp: PictureStamp
    #: As the node gets it.
    message: Image | CompressedImage
    #: uint8 [H, W, 3], RGB.
    rgb: npt.NDArray[np.uint8]
    segments: Sequence[Segment]
    #: The prompts in use.
    asked: Sequence[ActivePrompt]
    name_of: NameOf
    #: The node's score_threshold; 0 for the bundle's own.
    node_threshold: float
    #: Name of the one that answers.
    bundle: str


@dataclass(frozen=True, eq=False)
class HeldPrompt:
    """A prompt of a held picture."""

    #: With its marks as they lie in this picture.
    message: Prompt
    label_value: int
    label: str
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, eq=False)
class HeldState:
    """All of it at one time; replaced as a whole, so that any thread may read."""

    prompts: Mapping[str, HeldPrompt] = field(default_factory=dict)
    threshold: float = 0.0

    def with_prompts(self, more: Iterable[HeldPrompt]) -> HeldState:
        return replace(self, prompts={**self.prompts, **{p.message.id: p for p in more}})

    def found(self, prompt: HeldPrompt) -> tuple[Segment, ...]:
        """Return its objects that reach the threshold, which is one of texts."""
        if not prompt.message.text:
            return prompt.segments
        return tuple(
            each for each in prompt.segments if each.score >= self.threshold or each.bounds is None
        )


def held_prompt(active: ActivePrompt, start: HeldStart) -> HeldPrompt:
    """Return a prompt in use as it is asked of the picture."""
    prompt = active.prompt
    label = start.name_of(start.camera, prompt.id, prompt.label or prompt.text or prompt.id)
    found = [each for each in start.segments if each.prompt_id == prompt.id]
    if prompt.tracking and kind_of(prompt) in ("click", "box"):
        # Its marks were placed on another image: the object's place in this one stands for them.
        seen = next((each for each in found if each.bounds is not None), None)
        if seen is not None:
            prompt = put_marks(prompt, Marks(box=seen.box))
    segments = tuple(called(each, label) for each in found)
    return HeldPrompt(prompt, active.label_value, label, segments)


def called(segment: Segment, label: str) -> Segment:
    """Return the segment under another label."""
    return segment if segment.label == label else replace(segment, label=label)


def free_value(state: HeldState) -> int:
    """Return a label value that no prompt has; of too many the last one."""
    taken = {each.label_value for each in state.prompts.values()}
    free = (value for value in range(1, _HIGHEST_VALUE + 1) if value not in taken)
    return next(free, _HIGHEST_VALUE)


def listed_held(prompt: HeldPrompt, found: Sequence[Segment]) -> ListedPrompt:
    """Return what viewers read of a prompt. found: those of its objects that are shown."""
    seen = [each for each in found if each.bounds is not None]
    best = max(seen, key=lambda each: each.score, default=None)
    track = None if best is None else best.track
    message = prompt.message
    return ListedPrompt(
        id=message.id,
        label=prompt.label,
        kind=kind_of(message),
        colour=prompt_colour(prompt.label_value) if track is None else track_colour(track.id),
        count=len(seen),
        score=None if best is None else min(max(best.score, 0.0), 1.0),
        followed=False,
        frozen=False,
        camera=message.camera,
        text=message.text,
    )
