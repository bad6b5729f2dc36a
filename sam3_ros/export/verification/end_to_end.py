"""From image and prompt to logits and masks: the chain of ONNX files against PyTorch."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.precision.difference import AnswerDifference, difference, worst
from sam3_ros.core.precision.limits import Fp32Limits
from sam3_ros.core.precision.recorded import Key, QuestionedImage, RecordedAnswers, answer_all
from sam3_ros.export.network import Network
from sam3_ros.export.verification.torch_graph import torch_graph

Differences = Mapping[Key, AnswerDifference]


def original_answers(
    network: Network, manifest: Manifest, images: Iterable[QuestionedImage]
) -> RecordedAnswers:
    """Return what PyTorch answers to every question."""
    asked = tuple(images)
    return RecordedAnswers(asked, dict(answer_all(torch_graph(network), manifest, asked)))


def rounding(
    network: Network, manifest: Manifest, recorded: RecordedAnswers, keys: Collection[Key]
) -> dict[Key, AnswerDifference]:
    """Return how far the recorded answers to some questions are from those in float64.

    A deep network can amplify the last bit of a number, and untrained ones do. Then two correct
    computations in float32 differ by more than Fp32Limits allow, and only float64 can decide. A
    question has a few scores and boxes, whose rounding is chance: of logits 8e-7 to 5e-5 was seen
    from one to the next. So each gets the worst of all questions, beside the masks of its own.
    Raises VerificationError where answers are not finite: they would allow anything.
    """
    queries = {key: answer.queries for key, answer in recorded.answers.items()}
    network.double()
    try:
        exact = answer_all(torch_graph(network), manifest, recorded.images, queries)
        apart = {key: difference(answer, recorded.answers[key]) for key, answer in exact}
    finally:
        network.float()
    all_of_them = worst(apart.values())
    numbers = {name: getattr(all_of_them, name) for name in ("logits", "boxes", "scores")}
    if not all(map(math.isfinite, (*numbers.values(), all_of_them.mask_logits))):
        raise VerificationError("end to end, PyTorch itself gives values that are not finite")
    return {key: replace(apart[key], **numbers) for key in keys}


def beyond_limits(differences: Differences) -> tuple[Key, ...]:
    """Return the questions whose answers differ by more than the usual limits."""
    return tuple(key for key, found in differences.items() if Fp32Limits().broken_by(found))


def require_equal(differences: Differences, known: Differences) -> None:
    """Raise VerificationError for the first question whose answer is not the original's.

    known: the rounding of the questions that are beyond_limits.
    """
    for key, found in differences.items():
        if reason := Fp32Limits.given(known.get(key)).broken_by(found):
            raise VerificationError(
                f"end to end, {key[1]!r} asked of image {key[0]!r}: {reason}; the bundle does "
                f"not compute what the original model computes"
            )


def figures(differences: Differences) -> dict[str, object]:
    """Return the figures for the manifest: the worst of all questions, and their number."""
    return {"questions": len(differences), **worst(differences.values()).as_dict()}
