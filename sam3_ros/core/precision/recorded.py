"""Answers of the original model, kept beside it: so that any machine can check what it computes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_file import decode_rgb, png_of
from sam3_ros.core.precision.answers import Question, RawAnswer, ask_raw, best_queries
from sam3_ros.core.precision.difference import AnswerDifference, difference
from sam3_ros.core.precision.samples import SampleTap, StageSamples, TensorSamples
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array
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
    samples: Mapping[Key, StageSamples] = field(default_factory=dict)
    of_original: bool = True

    def differences(self, graph: StageGraph, manifest: Manifest) -> dict[Key, AnswerDifference]:
        """How far the stages of `graph` are from the recorded answers, question by question."""
        queries = {key: answer.queries for key, answer in self.answers.items()}
        found = answer_all(graph, manifest, self.images, queries)
        return {key: difference(self.answers[key], answer) for key, answer in found}

    def samples_for(self, key: Key) -> StageSamples:
        """Of the stages that run for a question, those of its image first."""
        return {**self.samples.get((key[0], ""), {}), **self.samples.get(key, {})}

    def of(self, keys: Collection[Key]) -> RecordedAnswers:
        """These questions alone."""
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
        """The same with witnesses of what the stages of `graph`, in fp32 on the CPU, compute; and
        how far their answers are."""
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
    witnesses: dict[Key, StageSamples] = {}
    tap = SampleTap()
    with tap.on(graph):
        for key, answers[key] in answer_all(graph, manifest, asked, queries):
            of_image, witnesses[key] = _parted_by_image(tap.taken(answers[key].queries), lasting)
            this_image = (key[0], "")
            witnesses[this_image] = {**witnesses.get(this_image, {}), **of_image}
    return RecordedAnswers(asked, answers, samples=witnesses)


def _parted_by_image(
    witnesses: StageSamples, lasting: Collection[str]
) -> tuple[StageSamples, StageSamples]:
    """Those of the stages whose outputs hang on the image alone, and the others."""
    of_image = {stage: each for stage, each in witnesses.items() if set(each).issubset(lasting)}
    return of_image, {stage: witnesses[stage] for stage in witnesses if stage not in of_image}


_INDEX = "index"
_WITNESSES = "stage_witnesses"
_OF_ORIGINAL = "of_original"


def save_recorded_answers(path: Path, recorded: RecordedAnswers) -> None:
    """Write the .npz that load_recorded_answers reads back."""
    arrays: dict[str, Array] = {}
    index = []
    for i, image in enumerate(recorded.images):
        arrays[f"{i}/png"] = np.frombuffer(png_of(image.pixels), np.uint8)
        entry: dict[str, Any] = {"name": image.name, "questions": []}
        _put_witnesses(entry, arrays, str(i), recorded.samples.get((image.name, "")))
        for k, question in enumerate(image.questions):
            answer = recorded.answers[image.name, question.name]
            group = f"{i}/{k}"
            arrays |= {f"{group}/feeds/{name}": array for name, array in question.feeds.items()}
            arrays |= {f"{group}/tensors/{name}": array for name, array in answer.tensors.items()}
            arrays[f"{group}/masks"] = answer.masks
            asked: dict[str, Any] = {"name": question.name, "queries": list(answer.queries)}
            if (image.name, question.name) in recorded.rounding:
                asked["rounding"] = asdict(recorded.rounding[image.name, question.name])
            witnesses = recorded.samples.get((image.name, question.name))
            _put_witnesses(asked, arrays, group, witnesses)
            entry["questions"].append(asked)
        index.append(entry)
    arrays[_INDEX] = np.array(json.dumps(index))
    arrays[_OF_ORIGINAL] = np.array(recorded.of_original)
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def load_recorded_answers(path: Path) -> RecordedAnswers:
    """Raises BundleError for a file that save_recorded_answers did not write."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _load(dict(file))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path.name} holds no recorded answers: {error}") from error


def _load(arrays: Mapping[str, Array]) -> RecordedAnswers:
    images = []
    answers: dict[Key, RawAnswer] = {}
    rounding: dict[Key, AnswerDifference] = {}
    witnesses: dict[Key, StageSamples] = {}
    for i, image in enumerate(json.loads(str(arrays[_INDEX]))):
        questions = []
        if _WITNESSES in image:
            found = _parted(arrays[f"{i}/{_WITNESSES}"], image[_WITNESSES])
            witnesses[image["name"], ""] = found
        for k, entry in enumerate(image["questions"]):
            group = f"{i}/{k}"
            questions.append(Question(entry["name"], _below(arrays, f"{group}/feeds/")))
            tensors = _below(arrays, f"{group}/tensors/")
            answers[image["name"], entry["name"]] = RawAnswer(
                tensors, arrays[f"{group}/masks"], tuple(entry["queries"])
            )
            if "rounding" in entry:
                figures = {**entry["rounding"], "mask_ious": tuple(entry["rounding"]["mask_ious"])}
                rounding[image["name"], entry["name"]] = AnswerDifference(**figures)
            if _WITNESSES in entry:
                values = arrays[f"{group}/{_WITNESSES}"]
                witnesses[image["name"], entry["name"]] = _parted(values, entry[_WITNESSES])
        images.append(QuestionedImage(image["name"], _pixels(arrays, i), tuple(questions)))
    of_original = bool(arrays.get(_OF_ORIGINAL, True))
    return RecordedAnswers(tuple(images), answers, rounding, witnesses, of_original)


def _pixels(arrays: Mapping[str, Array], number: int) -> Array:
    """Older files hold them as they are."""
    if f"{number}/pixels" in arrays:
        return arrays[f"{number}/pixels"]
    return decode_rgb(arrays[f"{number}/png"].tobytes(), "a recorded image")


def _put_witnesses(
    entry: dict[str, Any], arrays: dict[str, Array], group: str, witnesses: StageSamples | None
) -> None:
    """The values of all in one array, the rest in the index: small arrays are slow to read."""
    if not witnesses:
        return
    entry[_WITNESSES] = {
        stage: {name: each.figures() | {"kept": len(each.values)} for name, each in outputs.items()}
        for stage, outputs in witnesses.items()
    }
    values = [each.values for outputs in witnesses.values() for each in outputs.values()]
    arrays[f"{group}/{_WITNESSES}"] = np.concatenate(values)


def _parted(values: Array, figures: Mapping[str, Any]) -> StageSamples:
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
