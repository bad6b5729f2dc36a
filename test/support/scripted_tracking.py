"""Tracking without a model: pictures say what a follower sees and what a text finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scenes import Corners, patch_mask

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.asking import Asking, Following
from sam3_ros.core.tracking.follower import Sighting
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.core.tracking.settings import TrackingSettings

SIZE = ImageSize(96, 128)


@dataclass(eq=False)
class Picture:
    """An image, as the fakes below see it."""

    #: What a follower of each thing sees, by the thing's name.
    seen: Mapping[str, Corners] = field(default_factory=dict)
    #: What a text finds: where, and its score.
    detected: Sequence[tuple[Corners, float]] = ()
    #: Things that a follower gives up.
    given_up: tuple[str, ...] = ()
    #: Every stage fails.
    fails: bool = False
    size: ImageSize = SIZE


@dataclass(frozen=True)
class Thing:
    """The state of an object: which thing it is."""

    name: str
    nbytes: int = 8


class ScriptedFollower:
    """A follower that looks things up in the picture."""

    def __init__(self, taken_above: float | None = None) -> None:
        #: Which calls there were, with the thing and the frame.
        self.calls: list[tuple[str, str, int]] = []
        self.taken_above = taken_above

    def start(self, image: Any, frame: int, prompt: Any) -> Sighting:
        if isinstance(prompt, MaskPrompt):
            shared = {
                name: int((patch_mask(*image.size, corners) & prompt.mask).sum())
                for name, corners in image.seen.items()
            }
            name = max(shared, key=lambda each: shared[each], default="")
            self.calls.append(("start", name, frame))
            return Sighting(segment(prompt.mask), Thing(name))
        for name, (left, top, right, bottom) in image.seen.items():
            x, y = prompt.points[0]
            if left <= x < right and top <= y < bottom:
                self.calls.append(("start", name, frame))
                return self._seen(image, name)
        return Sighting(None, None, "there is nothing", gone=True)

    def follow(self, image: Any, frame: int, state: Any, doubt: str = "") -> Sighting:
        self.calls.append(("follow", state.name, frame))
        if image.fails:
            raise InferenceError("the stage failed")
        if doubt:
            return Sighting(None, state, doubt)
        if state.name in image.given_up:
            return Sighting(None, None, "given up", gone=True)
        if state.name not in image.seen:
            return Sighting(None, state, "hidden")
        return self._seen(image, state.name)

    def correct(self, image: Any, frame: int, state: Any, prompt: Any) -> Sighting:
        self.calls.append(("correct", state.name, frame))
        return self.start(image, frame, prompt)

    def renew(self, _: Any, frame: int, state: Any, mask: np.ndarray) -> Sighting:
        self.calls.append(("renew", state.name, frame))
        return Sighting(segment(mask), state)

    def saved(self, state: Any) -> dict[str, np.ndarray]:
        return {"name": np.frombuffer(state.name.encode(), np.uint8)}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> Thing:
        return Thing(arrays["name"].tobytes().decode())

    def _seen(self, image: Any, name: str) -> Sighting:
        return Sighting(segment(patch_mask(*image.size, image.seen[name])), Thing(name))


def segment(mask: np.ndarray, score: float = 0.9) -> Segment:
    box = mask_bounds(mask)
    assert box is not None
    return Segment("it", "it", score, box, mask, box)


@dataclass(eq=False)
class Script:
    """A session with fakes at its seams."""

    settings: TrackingSettings = field(default_factory=TrackingSettings)
    every_image: bool = False
    follower: ScriptedFollower = field(default_factory=ScriptedFollower)
    #: Pictures that were searched for texts.
    searched: list[Picture] = field(default_factory=list)
    thresholds: list[float | None] = field(default_factory=list)

    def session(self, saved: Mapping[str, np.ndarray] | None = None) -> Any:
        """Return a TrackingSession; as Any, since a picture is no ImageEmbedding."""
        asking = Asking(
            require_own=lambda _: None,
            askable=lambda _, prompt: prompt,
            detect=self._detect,  # type: ignore[arg-type]
            timings=CallTimings(),
            bundle="scripted",
        )
        how = Following(lambda _: self.follower, self.every_image)
        return TrackingSession(asking, how, self.settings, saved)

    def _detect(
        self,
        image: Picture,
        prompts: Sequence[ConceptPrompt],
        score_thresholds: Sequence[float | None],
    ) -> list[list[Segment]]:
        self.searched.append(image)
        self.thresholds += score_thresholds
        found = []
        for prompt in prompts:
            best_first = sorted(image.detected, key=lambda each: -each[1])
            masks = [(patch_mask(*image.size, corners), score) for corners, score in best_first]
            found.append(
                [
                    Segment(prompt.id, prompt.label, score, box, mask, box)
                    for mask, score in masks
                    if (box := mask_bounds(mask)) is not None
                ]
            )
        return found
