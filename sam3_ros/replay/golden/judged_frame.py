"""One answer of the node as it is held against another: who, when, what was found where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.replay.bag.header import NANOSECONDS
from sam3_ros.replay.client.answered_frame import FoundSegment

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, order=True)
class FrameKey:
    """Which answer it is, the same in every replay of a bag.

    camera: its name, empty for the only one. loop: from 0. stamp_ns: of the image in the bag.
    repeat: 0 for a frame's first answer, 1 for the one that the first click on it brought.
    """

    camera: str
    loop: int
    stamp_ns: int
    repeat: int = 0

    @property
    def file_name(self) -> str:
        again = f"_{self.repeat}" if self.repeat else ""
        return f"{self.camera or 'camera'}_{self.loop}_{self.stamp_ns}{again}.png"

    def __str__(self) -> str:
        """Without the camera, which stands beside it."""
        seconds, nanoseconds = divmod(self.stamp_ns, NANOSECONDS)
        loop = f" loop {self.loop + 1}" if self.loop else ""
        again = f" answer {self.repeat + 1}" if self.repeat else ""
        return f"{seconds}.{nanoseconds:09}{loop}{again}"


@dataclass(frozen=True, eq=False)
class JudgedFrame:
    """labels: uint8 [H, W], a value per prompt, 0 for nothing. frame_id: of the answer's header."""

    key: FrameKey
    frame_id: str
    labels: Labels
    segments: tuple[FoundSegment, ...]

    @property
    def values(self) -> dict[str, int]:
        """The label value of each prompt that found something."""
        return {segment.prompt_id: segment.value for segment in self.segments}

    def mask_of(self, prompt_id: str) -> Mask:
        """bool [H, W]; empty for a prompt that found nothing."""
        value = self.values.get(prompt_id)
        if value is None:
            return np.zeros(self.labels.shape, np.bool_)
        return np.asarray(self.labels == value)

    def segments_of(self, prompt_id: str) -> tuple[FoundSegment, ...]:
        return tuple(s for s in self.segments if s.prompt_id == prompt_id)
