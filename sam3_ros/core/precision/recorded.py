"""Answers recorded with a model, against which any machine can check what it computes.

They are kept in an .npz file of plain arrays, with a group of names for each image and question.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_file import decode_picture, png_of
from sam3_ros.core.precision.answers import Question, RawAnswer, ask_raw, best_queries
from sam3_ros.core.precision.bounded_npz import read_arrays
from sam3_ros.core.precision.difference import AnswerDifference, difference
from sam3_ros.core.precision.recorded_form import (
    check_answer,
    check_pixels,
    described,
    parse_index,
)
from sam3_ros.core.precision.samples import SampleTap, StageSamples, TensorSamples
from sam3_ros.core.segmenter.embedding import ON_CPU, ImageEmbedding
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import Array
from sam3_ros.core.stages.tensor_names import IMAGE_INPUTS

#: The name of an image and that of a question.
Key = tuple[str, str]

# Names in the file, which older bundles hold too.
_INDEX = "index"
_SAMPLES = "stage_witnesses"
_OF_ORIGINAL = "of_original"
#: Of an image.
_MOST_MEGAPIXELS = 20


@dataclass(frozen=True, eq=False)
class QuestionedImage:
    """An image and the questions to ask of it."""

    #: Unique among the images.
    name: str
    #: uint8 [H, W, 3] in RGB.
    pixels: npt.NDArray[np.uint8]
    #: With unique names.
    questions: tuple[Question, ...]

    @property
    def size(self) -> ImageSize:
        """The size of the image."""
        return ImageSize(*self.pixels.shape[:2])

    def embedding(
        self, graph: StageGraph, manifest: Manifest, plan: StagePlan = ON_CPU
    ) -> ImageEmbedding:
        """Prepare the image for the stages of `graph`; plan: what runs them."""
        return ImageEmbedding.of(self.pixels, manifest, graph, plan)


@dataclass(frozen=True, eq=False)
class RecordedAnswers:
    """Images with their questions and the recorded answers."""

    #: With unique names.
    images: tuple[QuestionedImage, ...]
    #: By the names of image and question.
    answers: Mapping[Key, RawAnswer]
    #: How far a recorded answer itself is from the one in float64, for the questions where the
    #: model amplifies float32's rounding beyond the usual limits. No run can be expected closer.
    #: Of scores and boxes, which are few, it is the worst of all questions.
    rounding: Mapping[Key, AnswerDifference] = field(default_factory=dict)
    #: Reference samples of each stage in fp32 on the CPU, by question; under the question "" those
    #: of the stages that depend on the image alone. Empty in older files.
    samples: Mapping[Key, StageSamples] = field(default_factory=dict)
    #: Whether the original model answered, in PyTorch, rather than the bundle's own fp32 files.
    of_original: bool = True

    def differences(self, graph: StageGraph, manifest: Manifest) -> dict[Key, AnswerDifference]:
        """Return how far the answers of `graph` are from the recorded ones, by question."""
        queries = {key: answer.queries for key, answer in self.answers.items()}
        found = answer_all(graph, manifest, self.images, queries)
        return {key: difference(self.answers[key], answer) for key, answer in found}

    def samples_for(self, key: Key) -> StageSamples:
        """Return samples of the stages that run for a question, those of its image first."""
        return {**self.samples.get((key[0], ""), {}), **self.samples.get(key, {})}

    def of(self, keys: Collection[Key]) -> RecordedAnswers:
        """Return the part with these questions alone."""
        images = tuple(
            replace(image, questions=asked)
            for image in self.images
            if (asked := tuple(q for q in image.questions if (image.name, q.name) in keys))
        )
        answers = {key: self.answers[key] for key in keys}
        rounding = {key: each for key, each in self.rounding.items() if key in keys}
        return RecordedAnswers(images, answers, rounding, self.samples, self.of_original)

    def with_samples_of(
        self, graph: StageGraph, manifest: Manifest
    ) -> tuple[RecordedAnswers, dict[Key, AnswerDifference]]:
        """Add reference samples of `graph`, which runs in fp32 on the CPU.

        Return them with these answers, and how far the graph's own answers are, by question.
        """
        queries = {key: answer.queries for key, answer in self.answers.items()}
        found = recorded_of(graph, manifest, self.images, queries)
        differences = {key: difference(self.answers[key], found.answers[key]) for key in queries}
        return replace(self, samples=found.samples), differences


def answer_all(
    graph: StageGraph,
    manifest: Manifest,
    images: Iterable[QuestionedImage],
    queries: Mapping[Key, Sequence[int]] | None = None,
) -> Iterator[tuple[Key, RawAnswer]]:
    """Ask every question.

    queries: those whose masks to compute, None for the best of each answer. Raises InferenceError
    when a stage fails.
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
    """Return the answers of `graph` with reference samples; queries as in answer_all."""
    asked = tuple(images)
    lasting = graph.derived_from(IMAGE_INPUTS)
    answers: dict[Key, RawAnswer] = {}
    samples: dict[Key, dict[str, Mapping[str, TensorSamples]]] = {}
    tap = SampleTap()
    with tap.on(graph):
        for key, answers[key] in answer_all(graph, manifest, asked, queries):
            for stage, each in tap.taken(answers[key].queries).items():
                of_image = lasting.issuperset(each)
                group = samples.setdefault((key[0], "") if of_image else key, {})
                group[stage] = each
    return RecordedAnswers(asked, answers, samples=samples)


def save_recorded_answers(path: Path, recorded: RecordedAnswers) -> None:
    """Write the .npz file that load_recorded_answers reads back."""
    arrays: dict[str, Array] = {}
    index = []
    for i, image in enumerate(recorded.images):
        arrays[f"{i}/png"] = np.frombuffer(png_of(image.pixels), np.uint8)
        entry: dict[str, Any] = {"name": image.name, "questions": []}
        _put_samples(entry, arrays, str(i), recorded.samples.get((image.name, "")))
        for k, question in enumerate(image.questions):
            answer = recorded.answers[image.name, question.name]
            group = f"{i}/{k}"
            arrays |= {f"{group}/feeds/{name}": array for name, array in question.feeds.items()}
            arrays |= {f"{group}/tensors/{name}": array for name, array in answer.tensors.items()}
            arrays[f"{group}/masks"] = answer.masks
            asked: dict[str, Any] = {"name": question.name, "queries": list(answer.queries)}
            if (image.name, question.name) in recorded.rounding:
                asked["rounding"] = asdict(recorded.rounding[image.name, question.name])
            _put_samples(asked, arrays, group, recorded.samples.get((image.name, question.name)))
            entry["questions"].append(asked)
        index.append(entry)
    arrays[_INDEX] = np.array(json.dumps(index))
    arrays[_OF_ORIGINAL] = np.array(recorded.of_original)
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def load_recorded_answers(path: Path) -> RecordedAnswers:
    """Read a file of recorded answers.

    Raises BundleError for a file that save_recorded_answers did not write.
    """
    try:
        return _load(read_arrays(path))
    except KeyError as error:
        raise BundleError(f"{path.name} holds no recorded answers: it lacks {error}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"{path.name} holds no recorded answers: {reason}") from error


def _load(arrays: Mapping[str, Array]) -> RecordedAnswers:
    images = []
    answers: dict[Key, RawAnswer] = {}
    rounding: dict[Key, AnswerDifference] = {}
    samples: dict[Key, StageSamples] = {}
    for i, image in enumerate(parse_index(str(arrays[_INDEX]))):
        questions = []
        if _SAMPLES in image:
            values = arrays[f"{i}/{_SAMPLES}"]
            samples[image["name"], ""] = _split_samples(values, image[_SAMPLES])
        for k, entry in enumerate(image["questions"]):
            group = f"{i}/{k}"
            question = Question(entry["name"], _below(arrays, f"{group}/feeds/"))
            tensors = _below(arrays, f"{group}/tensors/")
            answer = RawAnswer(tensors, arrays[f"{group}/masks"], tuple(entry["queries"]))
            check_answer(question, answer)
            questions.append(question)
            answers[image["name"], entry["name"]] = answer
            if "rounding" in entry:
                rounding[image["name"], entry["name"]] = _rounding(entry["rounding"])
            if _SAMPLES in entry:
                values = arrays[f"{group}/{_SAMPLES}"]
                samples[image["name"], entry["name"]] = _split_samples(values, entry[_SAMPLES])
        images.append(QuestionedImage(image["name"], _pixels(arrays, i), tuple(questions)))
    if len(answers) < sum(len(image.questions) for image in images):
        raise ValueError("expected another name for each image, and for each of its questions")
    of_original = bool(np.all(arrays.get(_OF_ORIGINAL, True)))
    return RecordedAnswers(tuple(images), answers, rounding, samples, of_original)


def _rounding(figures: Mapping[str, Any]) -> AnswerDifference:
    """Restore a difference from JSON, which has lists for tuples."""
    restored: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in figures.items()
    }
    return AnswerDifference(**restored)


def _pixels(arrays: Mapping[str, Array], number: int) -> Array:
    """Return an image's pixels; older files hold them as an array rather than as a PNG."""
    if f"{number}/pixels" in arrays:
        return check_pixels(arrays[f"{number}/pixels"])
    png = arrays[f"{number}/png"].tobytes()
    return decode_picture(png, "a recorded image", max_megapixels=_MOST_MEGAPIXELS).rgb


def _put_samples(
    entry: dict[str, Any], arrays: dict[str, Array], group: str, samples: StageSamples | None
) -> None:
    """Put all values into one array and the rest into the index: small arrays are slow to read."""
    if not samples:
        return
    entry[_SAMPLES] = {
        stage: {name: each.figures() | {"kept": len(each.values)} for name, each in outputs.items()}
        for stage, outputs in samples.items()
    }
    values = [each.values for outputs in samples.values() for each in outputs.values()]
    arrays[f"{group}/{_SAMPLES}"] = np.concatenate(values)


def _split_samples(values: Array, figures: Mapping[str, Any]) -> StageSamples:
    kept = sum(each["kept"] for outputs in figures.values() for each in outputs.values())
    if values.ndim != 1 or values.dtype.kind != "f" or len(values) != kept:
        raise ValueError(f"expected {kept} samples of the stages, got {described(values)}")
    found: dict[str, dict[str, TensorSamples]] = {}
    begin = 0
    for stage, outputs in figures.items():
        found[stage] = {}
        for name, each in outputs.items():
            rest = {key: value for key, value in each.items() if key != "kept"}
            part = values[begin : begin + each["kept"]]
            found[stage][name] = TensorSamples.from_figures(rest, part)
            begin += each["kept"]
    return found


def _below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
