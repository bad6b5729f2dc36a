"""What the precision guard asks: as little as runs every stage once."""

from __future__ import annotations

import logging

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.answers import Question
from sam3_ros.core.precision.questions import standard_images
from sam3_ros.core.precision.recorded import QuestionedImage, RecordedAnswers
from sam3_ros.core.precision.recording import answers_in_fp32, recorded_in
from sam3_ros.core.stages.session import OpenSession

log = logging.getLogger(__name__)


def reference_answers(
    bundle: Bundle, threads: int | None = None, open_stage_session: OpenSession = open_session
) -> RecordedAnswers:
    """The few answers in fp32 that the guard holds others against.

    Those that the bundle holds; where it holds none, its stages are run in fp32 on the CPU, which
    the log says. Raises PrecisionError for a bundle that has neither.
    """
    recorded = recorded_in(bundle)
    if recorded is not None:
        return few_of(recorded)
    log.warning(
        "bundle %r holds no recorded answers, so it is run in fp32 on the CPU first; "
        "`sam3-ros bundle record %s` records them once",
        bundle.manifest.name,
        bundle.path,
    )
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    asked = few_images(standard_images(bundle.manifest, tokenizer))
    return answers_in_fp32(bundle, asked, threads, open_stage_session)


def few_of(recorded: RecordedAnswers) -> RecordedAnswers:
    """Of one image the question that runs most stages of words, and all clicks, which are cheap."""
    (image,) = few_images(recorded.images)
    return recorded.of([(image.name, question.name) for question in image.questions])


def few_images(images: tuple[QuestionedImage, ...]) -> tuple[QuestionedImage, ...]:
    """The first, with few of its questions."""
    first, *_ = images
    clicks = [question for question in first.questions if not question.is_concept]
    concepts = [question for question in first.questions if question.is_concept]
    chosen = (*sorted(concepts, key=_exemplars)[:1], *clicks)
    return (QuestionedImage(first.name, first.pixels, chosen),)


def _exemplars(question: Question) -> tuple[bool, int]:
    """One exemplar beside the words runs all of the geometry stage; none runs half of it."""
    count = question.feeds["boxes"].shape[1]
    return count == 0, count
