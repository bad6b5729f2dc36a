"""Answers of the original model, kept beside it: so that any machine can check what it computes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.precision.answers import Question, RawAnswer, ask_raw, best_queries
from sam3_ros.core.precision.difference import AnswerDifference, difference
from sam3_ros.core.precision.witness import StageWitnesses, WitnessTap
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.tensor_names import IMAGE_INPUTS

#: An image's name and a question's.
Key = tuple[str, str]


@dataclass(frozen=True, eq=False)
class QuestionedImage:
    """An image, uint8 [H, W, 3] in RGB, and what is asked of it. Names are unique."""

    name: str
    pixels: npt.NDArray[np.uint8]
    questions: tuple[Question, ...]

    def embedding(self, graph: StageGraph, manifest: Manifest) -> ImageEmbedding:
        """The image, to be asked of the stages of `graph`."""
        space = manifest.interactive.prompt_space if manifest.interactive else None
        size = ImageSize(*self.pixels.shape[:2])
        transform = ImageTransform(size, manifest.preprocessing, space)
        return ImageEmbedding(graph, transform, transform.pixel_values(self.pixels))


@dataclass(frozen=True, eq=False)
class RecordedAnswers:
    """Images with their questions, and an answer by (image name, question name).

    rounding: of questions where the model amplifies float32's rounding beyond the usual limits, how
    far the answer itself is from the one in float64. Nobody can be asked to come closer to it.
    witnesses: of what each stage computed in fp32 on the CPU for a question, under "" that of the
    stages that look at nothing but the image; empty in older files. of_original: the original
    model's answers, in PyTorch, rather than those of a bundle's own fp32 files.
    """

    images: tuple[QuestionedImage, ...]
    answers: Mapping[Key, RawAnswer]
    rounding: Mapping[Key, AnswerDifference] = field(default_factory=dict)
    witnesses: Mapping[Key, StageWitnesses] = field(default_factory=dict)
    of_original: bool = True

    def differences(self, graph: StageGraph, manifest: Manifest) -> dict[Key, AnswerDifference]:
        """How far the stages of `graph` are from the recorded answers, question by question."""
        queries = {key: answer.queries for key, answer in self.answers.items()}
        found = answer_all(graph, manifest, self.images, queries)
        return {key: difference(self.answers[key], answer) for key, answer in found}

    def witnesses_for(self, key: Key) -> StageWitnesses:
        """Of the stages that run for a question, those of its image first."""
        return {**self.witnesses.get((key[0], ""), {}), **self.witnesses.get(key, {})}

    def of(self, keys: Collection[Key]) -> RecordedAnswers:
        """These questions alone."""
        images = tuple(
            replace(image, questions=asked)
            for image in self.images
            if (asked := tuple(q for q in image.questions if (image.name, q.name) in keys))
        )
        answers = {key: self.answers[key] for key in keys}
        rounding = {key: each for key, each in self.rounding.items() if key in keys}
        return RecordedAnswers(images, answers, rounding, self.witnesses, self.of_original)

    def witnessed_by(
        self, graph: StageGraph, manifest: Manifest
    ) -> tuple[RecordedAnswers, dict[Key, AnswerDifference]]:
        """The same with witnesses of what the stages of `graph`, in fp32 on the CPU, compute; and
        how far their answers are."""
        queries = {key: answer.queries for key, answer in self.answers.items()}
        found = recorded_of(graph, manifest, self.images, queries)
        differences = {key: difference(self.answers[key], found.answers[key]) for key in queries}
        return replace(self, witnesses=found.witnesses), differences


def answer_all(
    graph: StageGraph,
    manifest: Manifest,
    images: Iterable[QuestionedImage],
    queries: Mapping[Key, Sequence[int]] | None = None,
) -> Iterator[tuple[Key, RawAnswer]]:
    """Ask every question. queries: whose masks to compute, None for the best of each answer.

    Raises InferenceError when a stage fails.
    """
    for image in images:
        embedding = image.embedding(graph, manifest)
        for question in image.questions:
            key = (image.name, question.name)
            yield key, ask_raw(embedding, question, queries[key] if queries else best_queries)


def recorded_of(
    graph: StageGraph,
    manifest: Manifest,
    images: Iterable[QuestionedImage],
    queries: Mapping[Key, Sequence[int]] | None = None,
) -> RecordedAnswers:
    """What the stages of `graph` answer, with witnesses. queries: as in answer_all."""
    asked = tuple(images)
    lasting = graph.derived_from(IMAGE_INPUTS)
    answers: dict[Key, RawAnswer] = {}
    witnesses: dict[Key, StageWitnesses] = {}
    tap = WitnessTap()
    with tap.on(graph):
        for key, answers[key] in answer_all(graph, manifest, asked, queries):
            of_image, witnesses[key] = _parted_by_image(tap.taken(answers[key].queries), lasting)
            this_image = (key[0], "")
            witnesses[this_image] = {**witnesses.get(this_image, {}), **of_image}
    return RecordedAnswers(asked, answers, witnesses=witnesses)


def _parted_by_image(
    witnesses: StageWitnesses, lasting: Collection[str]
) -> tuple[StageWitnesses, StageWitnesses]:
    """Those of the stages whose outputs hang on the image alone, and the others."""
    of_image = {stage: each for stage, each in witnesses.items() if set(each).issubset(lasting)}
    return of_image, {stage: witnesses[stage] for stage in witnesses if stage not in of_image}
