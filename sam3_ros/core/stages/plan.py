"""What runs each stage of a bundle: a backend and a precision, one for all or one for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: Precisions without files of their own: a way to compute with the files of another precision.
COMPUTED_FROM: Mapping[str, str] = MappingProxyType({"bf16": "fp32", "tf32": "fp32"})

#: The rendition of every stage's files that any engine reads.
PORTABLE = "portable"
#: The renditions that a backend takes in place of the portable one, best first; none for others.
RENDITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"cuda": ("cuda",), "tensorrt": ("tensorrt",), "tensorrt_rtx": ("tensorrt",)}
)


def titled(precision: str, rendition: str) -> str:
    """Name a rendition's precision for people: "fp16", or "cuda fp16"."""
    return precision if rendition == PORTABLE else f"{rendition} {precision}"


@dataclass(frozen=True)
class StageChoice:
    """A backend and a precision."""

    backend: str = "cpu"
    #: One that the bundle holds files of, or one of COMPUTED_FROM.
    precision: str = "fp32"

    @property
    def file_precision(self) -> str:
        """The precision of the file to load."""
        return COMPUTED_FROM.get(self.precision, self.precision)

    @property
    def renditions(self) -> tuple[str, ...]:
        """The renditions of a file that the backend takes, best first."""
        return (*RENDITIONS.get(self.backend, ()), PORTABLE)

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


#: The choice that all others are compared with.
REFERENCE = StageChoice()


@dataclass(frozen=True)
class StagePlan:
    """A choice for every stage."""

    #: For stages that `stages` does not name.
    default: StageChoice = REFERENCE
    stages: Mapping[str, StageChoice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", MappingProxyType(dict(self.stages)))

    def of(self, stage: str) -> StageChoice:
        """Return the choice for a stage."""
        return self.stages.get(stage, self.default)

    def changed(self, stages: Iterable[str], choice: StageChoice) -> StagePlan:
        """Return this plan with another choice for these stages."""
        return StagePlan(self.default, {**self.stages, **dict.fromkeys(stages, choice)})

    def described(self, stages: Iterable[str]) -> str:
        """Say what runs these stages: "cpu int8", or "7 of 11 stages cpu int8, 4 cpu fp32"."""
        counts = Counter(str(self.of(stage)) for stage in stages)
        if len(counts) < 2:
            return "".join(counts)
        (most, number), *others = counts.most_common()
        first = f"{number} of {counts.total()} stages {most}"
        return ", ".join([first, *(f"{count} {choice}" for choice, count in others)])

    def is_reference(self, stages: Iterable[str]) -> bool:
        """Return whether all these stages run in fp32 on the CPU."""
        return all(self.of(stage) == REFERENCE for stage in stages)
