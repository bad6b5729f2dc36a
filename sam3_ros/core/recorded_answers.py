"""Answers of the original model, kept beside it: so that any machine can check what it computes.

The file is an .npz of plain arrays, one group of names per image and question.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.answer_difference import AnswerDifference, difference
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_embedding import ImageEmbedding
from sam3_ros.core.image_transform import ImageTransform
from sam3_ros.core.manifest import Manifest
from sam3_ros.core.raw_answers import Question, RawAnswer, ask_raw, best_queries
from sam3_ros.core.session import Array
from sam3_ros.core.stage_graph import StageGraph
from sam3_ros.core.stage_witness import StageWitnesses, TensorWitness, WitnessTap

_INDEX = "index"

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
    witnesses: of what each stage computed in fp32 on the CPU for a question; empty in older files.
    """

    images: tuple[QuestionedImage, ...]
    answers: Mapping[Key, RawAnswer]
    rounding: Mapping[Key, AnswerDifference] = field(default_factory=dict)
    witnesses: Mapping[Key, StageWitnesses] = field(default_factory=dict)

    def differences(self, graph: StageGraph, manifest: Manifest) -> dict[Key, AnswerDifference]:
        """How far the stages of `graph` are from the recorded answers, question by question."""
        queries = {key: answer.queries for key, answer in self.answers.items()}
        found = answer_all(graph, manifest, self.images, queries)
        return {key: difference(self.answers[key], answer) for key, answer in found}

    def witnessed_by(
        self, graph: StageGraph, manifest: Manifest
    ) -> tuple[RecordedAnswers, dict[Key, AnswerDifference]]:
        """The same with witnesses of what the stages of `graph`, in fp32 on the CPU, compute; and
        how far their answers are."""
        tap = WitnessTap()
        differences, witnesses = {}, {}
        queries = {key: answer.queries for key, answer in self.answers.items()}
        with tap.on(graph):
            for key, answer in answer_all(graph, manifest, self.images, queries):
                differences[key] = difference(self.answers[key], answer)
                witnesses[key] = tap.taken()
        return replace(self, witnesses=witnesses), differences


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


def save_recorded_answers(path: Path, recorded: RecordedAnswers) -> None:
    """Write the .npz that load_recorded_answers reads back."""
    arrays: dict[str, Array] = {}
    index = []
    for i, image in enumerate(recorded.images):
        arrays[f"{i}/pixels"] = image.pixels
        entries = []
        for k, question in enumerate(image.questions):
            answer = recorded.answers[image.name, question.name]
            group = f"{i}/{k}"
            arrays |= {f"{group}/feeds/{name}": array for name, array in question.feeds.items()}
            arrays |= {f"{group}/tensors/{name}": array for name, array in answer.tensors.items()}
            arrays[f"{group}/masks"] = answer.masks
            entry: dict[str, Any] = {"name": question.name, "queries": list(answer.queries)}
            if (image.name, question.name) in recorded.rounding:
                entry["rounding"] = asdict(recorded.rounding[image.name, question.name])
            if (image.name, question.name) in recorded.witnesses:
                witnesses = recorded.witnesses[image.name, question.name]
                arrays[f"{group}/witnesses"], entry["witnesses"] = _joined(witnesses)
            entries.append(entry)
        index.append({"name": image.name, "questions": entries})
    arrays[_INDEX] = np.array(json.dumps(index))
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
    witnesses: dict[Key, StageWitnesses] = {}
    for i, image in enumerate(json.loads(str(arrays[_INDEX]))):
        questions = []
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
            if "witnesses" in entry:
                values = arrays[f"{group}/witnesses"]
                witnesses[image["name"], entry["name"]] = _parted(values, entry["witnesses"])
        pixels = arrays[f"{i}/pixels"]
        images.append(QuestionedImage(image["name"], pixels, tuple(questions)))
    return RecordedAnswers(tuple(images), answers, rounding, witnesses)


def _joined(witnesses: StageWitnesses) -> tuple[Array, dict[str, Any]]:
    """The values of all in one array, and the rest: hundreds of small arrays are slow to read."""
    figures = {
        stage: {name: each.figures() | {"kept": len(each.values)} for name, each in outputs.items()}
        for stage, outputs in witnesses.items()
    }
    values = [each.values for outputs in witnesses.values() for each in outputs.values()]
    return np.concatenate(values) if values else np.zeros(0, np.float32), figures


def _parted(values: Array, figures: Mapping[str, Any]) -> StageWitnesses:
    found: dict[str, dict[str, TensorWitness]] = {}
    begin = 0
    for stage, outputs in figures.items():
        found[stage] = {}
        for name, each in outputs.items():
            rest = {key: value for key, value in each.items() if key != "kept"}
            part = values[begin : begin + each["kept"]]
            found[stage][name] = TensorWitness.from_figures(rest, part)
            begin += each["kept"]
    return found


def _below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
