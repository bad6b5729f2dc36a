"""What came of holding a replay against its expectation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class PromptVerdict:
    """A prompt on a camera. frames: those where golden or this replay has it.

    mean_iou, least_iou: of these, None without. worst: the frame of the least. score_difference:
    the largest. failures: in words with figures, empty if all is within the tolerance.
    """

    camera: str
    prompt_id: str
    frames: int
    mean_iou: float | None
    least_iou: float | None
    worst: str
    score_difference: float
    missing_segments: int
    extra_segments: int
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class CheckVerdict:
    """One of the checks of the whole replay. figures: what was found, in words."""

    name: str
    figures: str
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class Judgement:
    """against: what the replay was held against, in words. frames: judged, of all cameras.

    pictures: files of the worst frames.
    """

    bag: str
    against: str
    seconds: float
    frames: int
    prompts: tuple[PromptVerdict, ...]
    checks: tuple[CheckVerdict, ...]
    pictures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in (*self.prompts, *self.checks))

    def with_pictures(self, files: tuple[str, ...]) -> Judgement:
        return replace(self, pictures=files)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        prompts = [{**asdict(prompt), "passed": prompt.passed} for prompt in self.prompts]
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return {**asdict(self), "prompts": prompts, "checks": checks, "passed": self.passed}
