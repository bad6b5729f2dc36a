"""Records answers in fp32 on the CPU into a bundle that has none or lacks reference samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.files import resolve_inside
from sam3_ros.core.bundle.writer import record_answers
from sam3_ros.core.precision.recorded import (
    QuestionedImage,
    RecordedAnswers,
    load_recorded_answers,
    recorded_of,
    save_recorded_answers,
)
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array, OpenSession, SessionOptions

ANSWERS_NAME = "recorded_answers.npz"
#: Mantissa bits kept of a mask logit, of float32's 23. The sign, which cuts the mask, is kept.
_MASK_BITS = 6


def recorded_in(bundle: Bundle) -> RecordedAnswers | None:
    """Return all recorded answers that the bundle holds, None if it has none."""
    file = bundle.manifest.recorded_answers
    return None if file is None else load_recorded_answers(resolve_inside(bundle.path, file.path))


def answers_in_fp32(
    bundle: Bundle,
    images: Iterable[QuestionedImage],
    threads: int | None = None,
    open_stage_session: OpenSession = open_session,
) -> RecordedAnswers:
    """Answer with the bundle's fp32 files on the CPU, with reference samples of every stage.

    Raises PrecisionError where it has no such files, InferenceError when a stage fails.
    """
    graph = _fp32_graph(bundle, threads, open_stage_session)
    try:
        return recorded_of(graph, bundle.manifest, images)
    finally:
        graph.close()


def record_into(bundle: Bundle, images: Iterable[QuestionedImage]) -> Bundle:
    """Write the answers of the bundle's fp32 files into it, replacing those that it holds.

    Mask logits are kept to two digits.
    """
    recorded = answers_in_fp32(bundle, images)
    answers = {
        key: replace(answer, masks=_coarse(answer.masks))
        for key, answer in recorded.answers.items()
    }
    return _write(bundle, replace(recorded, answers=answers, of_original=False))


def add_samples(bundle: Bundle, recorded: RecordedAnswers) -> Bundle:
    """Add reference samples of the bundle's stages to the answers that it holds."""
    graph = _fp32_graph(bundle, None, open_session)
    try:
        sampled, _ = recorded.with_samples_of(graph, bundle.manifest)
    finally:
        graph.close()
    return _write(bundle, sampled)


def _write(bundle: Bundle, recorded: RecordedAnswers) -> Bundle:
    write = partial(save_recorded_answers, recorded=recorded)
    return record_answers(bundle.path, ANSWERS_NAME, write)


def _fp32_graph(bundle: Bundle, threads: int | None, open_stage_session: OpenSession) -> StageGraph:
    options = SessionOptions(threads=threads, keep_memory=False)
    return StageGraph(
        bundle.manifest.stages.values(),
        lambda stage: open_stage_session(bundle.stage_file(stage.name, "fp32"), "cpu", options),
    )


def _coarse(masks: Array) -> Array:
    """Clear the last mantissa bits, which are noise that does not compress."""
    bits = masks.astype(np.float32).view(np.uint32)
    dropped = np.uint32(23 - _MASK_BITS)
    kept: Array = (bits >> dropped << dropped).view(np.float32)
    return kept
