"""Recorded answers as a file: an .npz of plain arrays, a group of names per image and question."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.errors import BundleError
from sam3_ros.core.image_file import decode_rgb, png_of
from sam3_ros.core.precision.answers import Question, RawAnswer
from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.precision.recorded import Key, QuestionedImage, RecordedAnswers
from sam3_ros.core.precision.witness import StageWitnesses, TensorWitness
from sam3_ros.core.stages.session import Array

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
        _put_witnesses(entry, arrays, str(i), recorded.witnesses.get((image.name, "")))
        for k, question in enumerate(image.questions):
            answer = recorded.answers[image.name, question.name]
            group = f"{i}/{k}"
            arrays |= {f"{group}/feeds/{name}": array for name, array in question.feeds.items()}
            arrays |= {f"{group}/tensors/{name}": array for name, array in answer.tensors.items()}
            arrays[f"{group}/masks"] = answer.masks
            asked: dict[str, Any] = {"name": question.name, "queries": list(answer.queries)}
            if (image.name, question.name) in recorded.rounding:
                asked["rounding"] = asdict(recorded.rounding[image.name, question.name])
            witnesses = recorded.witnesses.get((image.name, question.name))
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
    witnesses: dict[Key, StageWitnesses] = {}
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
    entry: dict[str, Any], arrays: dict[str, Array], group: str, witnesses: StageWitnesses | None
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
