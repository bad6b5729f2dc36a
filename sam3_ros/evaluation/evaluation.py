"""The whole evaluation: every picture is encoded once, and asked all of its prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic

from sam3_ros.core.errors import AnnotationError, ImageError, InferenceError, PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_file import read_picture
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.evaluation.annotations import AnnotatedPicture, AnnotatedPictures
from sam3_ros.evaluation.answers import (
    Detection,
    ObjectAnswer,
    PhraseAnswer,
    PictureAnswers,
    ask_objects,
    ask_phrases,
)
from sam3_ros.evaluation.average_precision import average_precision
from sam3_ros.evaluation.figures import (
    EvaluationFigures,
    by_category,
    object_figures,
    phrase_figures,
)
from sam3_ros.evaluation.settings import EvaluationSettings, require_capability
from sam3_ros.evaluation.truth import PictureTruth, truth_of

#: Called before each picture with how many are done, and how many there are.
OnPicture = Callable[[int, int], None]

_NAMES_TOLD, _WARNINGS_TOLD = 10, 3


class Evaluation:
    """Asks the pictures of an annotation file, one after another, and keeps the answers."""

    def __init__(
        self,
        segmenter: Segmenter,
        annotated: AnnotatedPictures,
        folder: Path,
        settings: EvaluationSettings,
        bit_depth: int = 0,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> None:
        """folder: that of the pictures. Raises PromptError for a bundle without such prompts."""
        require_capability(segmenter.bundle, settings.prompt)
        self._segmenter = segmenter
        self._annotated = annotated
        self._folder = folder
        self._settings = settings
        self._reading = bit_depth, max_megapixels
        self._truths: list[PictureTruth] = []
        self._phrase_answers: list[PhraseAnswer] = []
        self._object_answers: list[ObjectAnswer] = []
        #: All answers, for COCO's evaluation.
        self.detections: list[Detection] = []
        self._pictures_left_out: dict[str, str] = {}
        self._suspicions: list[str] = []
        self._left_out = Counter(annotated.left_out)
        self._added: Counter[str] = Counter()
        self._crowds = 0
        self._phrases: Mapping[int, str] = {}
        self._remarks: list[str] = []
        if settings.prompt == "text":
            self._phrases, self._remarks = _phrases(segmenter, annotated.categories)

    def run(
        self, limit: int | None = None, on_picture: OnPicture | None = None
    ) -> EvaluationFigures:
        """Ask the first `limit` pictures, all without one, and return the figures.

        Raises AnnotationError where no picture could be asked.
        """
        began = monotonic()
        pictures = self._annotated.pictures[:limit]
        for number, picture in enumerate(pictures):
            if on_picture is not None:
                on_picture(number, len(pictures))
            try:
                self._ask(picture)
            except (ImageError, AnnotationError, PromptError, InferenceError) as error:
                known = picture.name in self._pictures_left_out
                name = f"{picture.name} (id {picture.id})" if known else picture.name
                self._pictures_left_out[name] = " ".join(str(error).split())
        if not self._truths:
            first = next(iter(self._pictures_left_out.values()))
            raise AnnotationError(
                f"none of {len(pictures)} pictures could be asked; the first: {first}"
            )
        return self._figures(len(pictures), monotonic() - began)

    def _ask(self, picture: AnnotatedPicture) -> None:
        read = read_picture(self._folder / picture.name, *self._reading)
        rgb = read.rgb
        left_out: Counter[str] = Counter()
        added: Counter[str] = Counter()
        truth = truth_of(picture, ImageSize(*rgb.shape[:2]), left_out, added)
        answers = self._answers(truth, self._segmenter.encode_image(rgb))
        # Only now: of a picture that is left out nothing is counted.
        self._truths.append(truth)
        self._suspicions += (f"{picture.name}: {warning}" for warning in read.warnings)
        self._left_out += left_out
        self._added += added
        self._crowds += sum(each.is_crowd for each in truth.objects)
        self.detections += answers.detections
        self._phrase_answers += answers.phrases
        self._object_answers += answers.objects

    def _answers(self, truth: PictureTruth, image: ImageEmbedding) -> PictureAnswers:
        if self._settings.prompt == "text":
            return ask_phrases(self._segmenter, image, truth, self._phrases, self._settings)
        return ask_objects(self._segmenter, image, truth, self._settings)

    def _figures(self, asked: int, seconds: float) -> EvaluationFigures:
        names, settings = self._annotated.categories, self._settings
        if settings.prompt == "text":  # a name that cannot be asked for has no answers to judge
            names = {number: name for number, name in names.items() if number in self._phrases}
        found = average_precision(self._truths, self.detections, names)
        answers = self._phrase_answers or self._object_answers
        figures = (
            phrase_figures(self._phrase_answers, found)
            if settings.prompt == "text"
            else object_figures(self._object_answers, found)
        )
        return EvaluationFigures(
            settings,
            len(self._truths),
            figures,
            by_category(names, self._phrases, answers, found),
            self._pictures_left_out,
            dict(self._left_out),
            tuple(self._all_remarks(asked)),
            seconds,
        )

    def _all_remarks(self, asked: int) -> Iterator[str]:
        """Yield what to know about the figures, a sentence each."""
        if asked < len(self._annotated.pictures):
            yield f"the first {asked} of {len(self._annotated.pictures)} pictures of the file"
        yield from self._remarks
        if self._suspicions:
            yield f"{len(self._suspicions)} pictures look odd; the first: {self._suspicions[0]}"
        yield from (f"{count} annotations {reason}" for reason, count in self._added.items())
        if self._settings.prompt == "text":
            yield from self._remarks_on_texts()
        else:
            yield from self._remarks_on_objects()
        shown = {each.category for truth in self._truths for each in truth.objects}
        names = self._annotated.categories
        if without := [name for number, name in names.items() if number not in shown]:
            yield (
                f"{len(without)} of {len(names)} categories have no object in these pictures: "
                f"{_listed(without)}"
            )

    def _remarks_on_texts(self) -> Iterator[str]:
        concept = self._segmenter.bundle.manifest.concept
        assert concept is not None
        yield (
            f"AP counts answers with a score above {self._settings.least_score:g}, all other "
            f"figures those above the bundle's threshold, {concept.score_threshold:g}"
        )
        if self._annotated.lists_absent:
            yield (
                "the file lists which categories were looked for in vain (neg_category_ids): of a "
                "picture that has the list no other absent category is asked"
            )
        if self._crowds:
            yield f"{self._crowds} crowds: an answer that lies in one is neither right nor wrong"

    def _remarks_on_objects(self) -> Iterator[str]:
        yield (
            "AP: box and category are the truth's, the score is the model's own estimate; it tells "
            "how good masks are, and is no detector's AP"
        )
        if self._crowds and not self._settings.with_crowds:
            yield f"{self._crowds} crowds were not pointed at; --crowds does it"


def _phrases(
    segmenter: Segmenter, categories: Mapping[int, str]
) -> tuple[dict[int, str], list[str]]:
    """Return how each category is asked for, and what to know about that."""
    phrases: dict[int, str] = {}
    warnings: dict[str, None] = {}
    refused: list[str] = []
    for number, name in categories.items():
        phrase = " ".join(name.replace("_", " ").split())
        try:
            warnings |= dict.fromkeys(segmenter.warnings(ConceptPrompt(phrase)))
        except PromptError as error:
            refused.append(f"category {name[:80]!r} was not asked for: {error}")
        else:
            phrases[number] = phrase
    remarks = [*refused, *list(warnings)[:_WARNINGS_TOLD]]
    if (more := len(warnings) - _WARNINGS_TOLD) > 0:
        remarks.append(f"{more} more remarks of this kind on other categories")
    names = [(categories[number], phrase) for number, phrase in phrases.items()]
    if respelled := [f"{name!r} as {phrase!r}" for name, phrase in names if name != phrase]:
        told = f"{len(respelled)} categories are asked for in other letters: {_listed(respelled)}"
        remarks.append(told)
    asked = Counter(phrase.casefold() for phrase in phrases.values())
    if shared := [phrase for phrase, count in asked.items() if count > 1]:
        remarks.append(
            f"several categories are asked for by the same words, so that what is right for one is "
            f"wrong for the others: {_listed(shared)}"
        )
    return phrases, remarks


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    return f"{', '.join(names[:_NAMES_TOLD])}{more}"
