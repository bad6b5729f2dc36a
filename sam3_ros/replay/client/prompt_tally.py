"""Counts for one prompt over a replay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sam3_ros.replay.report.report import PromptReport

Mask = npt.NDArray[np.bool_]


@dataclass
class PromptTally:
    """As PromptReport, while it is being counted."""

    kind: str
    asked: str
    camera: str = ""
    frames: int = 0
    found: int = 0
    rightly_nothing: int = 0
    wrongly_something: int = 0
    refused: str = ""
    lost: str = ""
    ious: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)  # s, from a click to its first answer

    def judge(self, found: Mask, true: Mask) -> None:
        """Two masks bool [H, W]."""
        if true.any():
            self.ious.append(mask_iou(found, true))
        elif found.any():
            self.wrongly_something += 1
        else:
            self.rightly_nothing += 1

    def report(self) -> PromptReport:
        return PromptReport(
            kind=self.kind,
            asked=self.asked,
            frames=self.frames,
            found=self.found,
            judged=len(self.ious) + self.rightly_nothing + self.wrongly_something,
            iou=float(np.mean(self.ious)) if self.ious else None,
            rightly_nothing=self.rightly_nothing,
            wrongly_something=self.wrongly_something,
            refused=self.refused,
            camera=self.camera,
            lost=self.lost,
            delay_ms=float(np.median(self.delays)) * 1000 if self.delays else None,
        )


def mask_iou(one: Mask, other: Mask) -> float:
    """Intersection over union of two masks, bool [H, W]; 1 for two empty ones."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0
