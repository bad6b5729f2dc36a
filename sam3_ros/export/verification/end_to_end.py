"""From image and prompt to logits and masks: the chain of ONNX files against PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sam3_ros.core.answer_difference import AnswerDifference, worst
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle import Bundle
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.manifest import Manifest
from sam3_ros.core.recorded_answers import QuestionedImage, RecordedAnswers, answer_all
from sam3_ros.core.session import SessionOptions
from sam3_ros.core.stage_graph import StageGraph
from sam3_ros.export.network import Network
from sam3_ros.export.verification.torch_graph import torch_graph

Differences = Mapping[tuple[str, str], AnswerDifference]


@dataclass(frozen=True)
class EndToEndLimits:
    """What a chain in fp32 may differ by; the fields mean what they mean in AnswerDifference."""

    logits: float = 1e-5
    boxes: float = 1e-5
    masks_equal: float = 0.9999

    def broken_by(self, found: AnswerDifference) -> str | None:
        """The first figure past its limit, in words."""
        if not found.logits <= self.logits:
            return f"logits differ by {found.logits:.2g}, at most {self.logits:.0e} is allowed"
        if not found.boxes <= self.boxes:
            return f"boxes differ by {found.boxes:.2g}, at most {self.boxes:.0e} is allowed"
        if not found.masks_equal >= self.masks_equal:
            return (
                f"{found.masks_equal:.6f} of the mask pixels are equal, at least "
                f"{self.masks_equal} must be"
            )
        return None


def original_answers(
    network: Network, manifest: Manifest, images: Iterable[QuestionedImage]
) -> RecordedAnswers:
    """What PyTorch says to every question."""
    asked = tuple(images)
    return RecordedAnswers(asked, dict(answer_all(torch_graph(network), manifest, asked)))


def bundle_graph(bundle: Bundle, precision: str, backend: str = "cpu") -> StageGraph:
    """The bundle's stages, each session opened at its first use."""
    options = SessionOptions()
    return StageGraph(
        bundle.manifest.stages.values(),
        lambda stage: open_session(bundle.stage_file(stage.name, precision), backend, options),
    )


def bundle_differences(
    bundle: Bundle, precision: str, recorded: RecordedAnswers, backend: str = "cpu"
) -> dict[tuple[str, str], AnswerDifference]:
    """How far a precision of the bundle is from the recorded answers, question by question."""
    graph = bundle_graph(bundle, precision, backend)
    try:
        return recorded.differences(graph, bundle.manifest)
    finally:
        graph.close()


def require_equal(differences: Differences, limits: EndToEndLimits | None = None) -> None:
    """Raise VerificationError for the first question whose answer is not the original's."""
    limits = limits or EndToEndLimits()
    for (image, question), found in differences.items():
        if reason := limits.broken_by(found):
            raise VerificationError(
                f"end to end, {question!r} asked of image {image!r}: {reason}; the bundle does "
                f"not compute what the original model computes"
            )


def figures(differences: Differences) -> dict[str, object]:
    """For the manifest: the worst of all questions, and how many there were."""
    return {"questions": len(differences), **worst(differences.values()).as_dict()}

