"""From image and prompt to logits and masks: the chain of ONNX files against PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sam3_ros.core.answer_difference import AnswerDifference, worst
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.manifest import Manifest
from sam3_ros.core.precision_limits import FP32_MASKS_EQUAL, FP32_NUMBERS
from sam3_ros.core.recorded_answers import QuestionedImage, RecordedAnswers, answer_all
from sam3_ros.export.network import Network
from sam3_ros.export.verification.torch_graph import torch_graph

Differences = Mapping[tuple[str, str], AnswerDifference]


@dataclass(frozen=True)
class EndToEndLimits:
    """What a chain in fp32 may differ by; the fields mean what they mean in AnswerDifference."""

    logits: float = FP32_NUMBERS
    boxes: float = FP32_NUMBERS
    masks_equal: float = FP32_MASKS_EQUAL

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
