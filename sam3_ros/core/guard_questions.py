"""What the precision guard asks: as little as runs every stage once."""

from __future__ import annotations

import logging

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle import Bundle
from sam3_ros.core.bundle_files import resolve_inside
from sam3_ros.core.raw_answers import Question
from sam3_ros.core.recorded_answers import QuestionedImage, RecordedAnswers, recorded_of
from sam3_ros.core.recorded_answers_file import load_recorded_answers
from sam3_ros.core.session import OpenSession, SessionOptions
from sam3_ros.core.stage_graph import StageGraph
from sam3_ros.core.standard_questions import standard_images

log = logging.getLogger(__name__)


def reference_answers(
    bundle: Bundle, threads: int | None = None, open_stage_session: OpenSession = open_session
) -> RecordedAnswers:
    """The few answers in fp32 that the guard holds others against.

    Those that the bundle holds; where it holds none, its stages are run in fp32 on the CPU, which
    the log says. Raises PrecisionError for a bundle that has neither.
    """
    if bundle.manifest.recorded_answers is not None:
        return few_of(recorded_in(bundle))
    log.warning(
        "bundle %r holds no recorded answers, so it is run in fp32 on the CPU first; "
        "`sam3-ros bundle record %s` records them once",
        bundle.manifest.name,
        bundle.path,
    )
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    asked = standard_images(bundle.manifest, tokenizer)[:1]
    return record(bundle, few_images(asked), threads, open_stage_session)


def recorded_in(bundle: Bundle) -> RecordedAnswers:
    """All that the bundle holds, which must be something."""
    assert bundle.manifest.recorded_answers is not None
    return load_recorded_answers(resolve_inside(bundle.path, bundle.manifest.recorded_answers.path))


def record(
    bundle: Bundle,
    images: tuple[QuestionedImage, ...],
    threads: int | None = None,
    open_stage_session: OpenSession = open_session,
) -> RecordedAnswers:
    """Answers and witnesses of the bundle's fp32 files on the CPU.

    Raises PrecisionError where it has no such files, InferenceError when a stage fails.
    """
    options = SessionOptions(threads=threads, keep_memory=False)
    graph = StageGraph(
        bundle.manifest.stages.values(),
        lambda stage: open_stage_session(bundle.stage_file(stage.name, "fp32"), "cpu", options),
    )
    try:
        return recorded_of(graph, bundle.manifest, images)
    finally:
        graph.close()


def few_of(recorded: RecordedAnswers) -> RecordedAnswers:
    """Of one image the question that runs most stages of words, and a click."""
    (image,) = few_images(recorded.images)
    return recorded.of([(image.name, question.name) for question in image.questions])


def few_images(images: tuple[QuestionedImage, ...]) -> tuple[QuestionedImage, ...]:
    """The first, with few of its questions."""
    first, *_ = images
    clicks = [question for question in first.questions if not question.is_concept]
    concepts = [question for question in first.questions if question.is_concept]
    chosen = (*sorted(concepts, key=_exemplars)[:1], *clicks[:1])
    return (QuestionedImage(first.name, first.pixels, chosen),)


def _exemplars(question: Question) -> tuple[bool, int]:
    """One exemplar beside the words runs all of the geometry stage; none runs half of it."""
    count = question.feeds["boxes"].shape[1]
    return count == 0, count
