"""The comparisons of one prompt on one camera, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.replay.golden.comparison import PromptComparison
from sam3_ros.replay.golden.expectation import Tolerance
from sam3_ros.replay.golden.judgement import PromptVerdict


@dataclass
class PromptRecord:
    camera: str
    prompt_id: str
    tolerance: Tolerance
    comparisons: list[PromptComparison] = field(default_factory=list)

    def add(self, comparison: PromptComparison) -> None:
        self.comparisons.append(comparison)

    def verdict(self) -> PromptVerdict:
        ious = [comparison.iou for comparison in self.comparisons]
        worst = min(self.comparisons, key=lambda comparison: comparison.iou, default=None)
        return PromptVerdict(
            camera=self.camera,
            prompt_id=self.prompt_id,
            frames=len(ious),
            mean_iou=float(np.mean(ious)) if ious else None,
            least_iou=None if worst is None else worst.iou,
            worst="" if worst is None else str(worst.key),
            score_difference=max((c.score_difference for c in self.comparisons), default=0.0),
            missing_segments=sum(c.missing for c in self.comparisons),
            extra_segments=sum(c.extra for c in self.comparisons),
            failures=tuple(self._failures()),
        )

    def _failures(self) -> Iterator[str]:
        allowed = self.tolerance
        low = [c for c in self.comparisons if c.iou < allowed.least_iou]
        if low:
            worst = min(low, key=lambda comparison: comparison.iou)
            yield (
                f"IoU {worst.iou:.3f} at {worst.key}, expected {allowed.least_iou:g} or more; "
                f"{len(low)} of {len(self.comparisons)} frames are below"
            )
        off = max(self.comparisons, key=lambda c: c.score_difference, default=None)
        if off is not None and off.score_difference > allowed.score_difference:
            yield (
                f"a score differs by {off.score_difference:.3f} at {off.key}, "
                f"expected {allowed.score_difference:g} or less"
            )
        for what, counts, most in (
            ("missing", [(c.missing, c.key) for c in self.comparisons], allowed.missing_segments),
            ("extra", [(c.extra, c.key) for c in self.comparisons], allowed.extra_segments),
        ):
            total = sum(count for count, _ in counts)
            if total > most:
                first = next(key for count, key in counts if count)
                yield f"{total} {what} segments, first at {first}, expected {most} or fewer"
        yield from self._value_failures()

    def _value_failures(self) -> Iterator[str]:
        differing = [c for c in self.comparisons if c.value_differs]
        if differing and self.tolerance.label_values:
            first = differing[0]
            yield (
                f"label value {first.got_value} instead of {first.golden_value} at {first.key}, "
                f"in {len(differing)} frames"
            )
