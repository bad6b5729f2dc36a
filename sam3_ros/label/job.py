"""What every worker of a run is told, once: the model, the questions, the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.label.read_settings import ReadSettings


@dataclass(frozen=True)
class LabelPrompt:
    """A text to look for in every image."""

    text: str
    #: Names it; by default the text.
    id: str = ""
    #: What people read, the category; by default the text.
    label: str = ""
    #: None for the bundle's.
    score_threshold: float | None = None

    def __post_init__(self) -> None:
        """Raise PromptError for a text, id or label that no prompt may have."""
        made = self.concept
        object.__setattr__(self, "id", made.id)
        object.__setattr__(self, "label", made.label)

    @property
    def concept(self) -> ConceptPrompt:
        """The prompt as the segmenter takes it."""
        return ConceptPrompt(self.text, id=self.id, label=self.label)


@dataclass(frozen=True)
class LabelJob:
    """Travels as JSON to workers that share the file system."""

    #: Absolute.
    bundle: str
    plan: StagePlan
    #: Threads of each session.
    threads: int
    prompts: tuple[LabelPrompt, ...]
    #: Absolute; has a folder for each source.
    work: str
    #: Follow objects through each chunk by the model's memory.
    track: bool = False
    #: Bits that cameras put into 16; 0 for all.
    bit_depth: int = 0
    max_megapixels: float = MAX_MEGAPIXELS
    cuda_graphs: bool = False
    #: Index of the GPU.
    device_id: int = 0

    @property
    def reading(self) -> ReadSettings:
        """How images are read."""
        return ReadSettings(self.bit_depth, self.max_megapixels)

    def folder_of(self, key: str) -> Path:
        """Return the folder of the chunks' files of a source, by its key."""
        return Path(self.work) / key

    def document(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        stages = {name: asdict(choice) for name, choice in self.plan.stages.items()}
        own = {name: value for name, value in vars(self).items() if name not in ("plan", "prompts")}
        return {
            **own,
            "plan": {"default": asdict(self.plan.default), "stages": stages},
            "prompts": [asdict(each) for each in self.prompts],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> LabelJob:
        """Return the job that `document` described."""
        plan = document["plan"]
        stages = {name: StageChoice(**choice) for name, choice in plan["stages"].items()}
        prompts = tuple(LabelPrompt(**each) for each in document["prompts"])
        made = StagePlan(StageChoice(**plan["default"]), stages)
        return cls(**{**document, "plan": made, "prompts": prompts})
