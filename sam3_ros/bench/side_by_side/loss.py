"""What a bundle's answers lose beside those of another: objects, their masks and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from sam3_ros.bench.side_by_side.pictures import AskedPicture, clicks_on
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.tracking.association import best_pairs, overlaps_of
from sam3_ros.core.tracking.place import Place

#: From this overlap on, two masks that answer a text are one object. So at most one of the other's
#: masks can be it, unless they cover each other.
SAME_OBJECT = 0.5
TEXTS, CLICKS, BOXES = "texts", "clicks", "boxes"
KINDS = (TEXTS, CLICKS, BOXES)


@dataclass(frozen=True)
class QuestionLoss:
    """How the answers to one question differ; the other bundle's are the measure."""

    picture: str
    #: The text, or where the click or box is.
    asked: str
    #: One of KINDS.
    kind: str
    #: IoU of the masks of each object that both found, in [0, 1].
    ious: tuple[float, ...]
    #: Our score minus theirs, of the same objects.
    score_changes: tuple[float, ...]
    #: Objects that only the other found.
    missed: int
    #: Objects that only ours found.
    extra: int

    @property
    def objects(self) -> int:
        """What either found."""
        return len(self.ious) + self.missed + self.extra

    @property
    def iou(self) -> float:
        """The mean over all objects, missed and extra ones as 0; 1 where neither found any."""
        return sum(self.ious) / self.objects if self.objects else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        rounded = {name: [round(each, 4) for each in getattr(self, name)] for name in _LISTS}
        return {**asdict(self), **rounded, "iou": round(self.iou, 4)}


_LISTS = ("ious", "score_changes")


@dataclass(frozen=True)
class Loss:
    """The differences of many questions together."""

    #: How many questions.
    asked: int
    #: Objects that the other found.
    objects: int
    #: Of these, those that ours found as well.
    found: int
    missed: int
    #: Objects that only ours found.
    extra: int
    #: Mean IoU of the objects that both found; None where there are none, as the next four.
    found_iou: float | None
    #: The worst of them.
    worst_iou: float | None
    #: Mean over all objects, missed and extra ones as 0.
    iou: float | None
    #: Mean of our score minus theirs, of the objects that both found.
    score_change: float | None
    #: The largest change either way.
    largest_score_change: float | None

    @classmethod
    def of(cls, questions: Iterable[QuestionLoss]) -> Loss:
        """Sum up."""
        questions = list(questions)
        ious = [iou for each in questions for iou in each.ious]
        changes = [change for each in questions for change in each.score_changes]
        missed = sum(each.missed for each in questions)
        extra = sum(each.extra for each in questions)
        either = len(ious) + missed + extra
        return cls(
            asked=len(questions),
            objects=len(ious) + missed,
            found=len(ious),
            missed=missed,
            extra=extra,
            found_iou=fmean(ious) if ious else None,
            worst_iou=min(ious, default=None),
            iou=sum(ious) / either if either else None,
            score_change=fmean(changes) if changes else None,
            largest_score_change=max(map(abs, changes), default=None),
        )

    def holds(self, least_iou: float) -> bool:
        """Return whether the mean over all objects reaches a limit; False where there are none."""
        return self.iou is not None and self.iou >= least_iou

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def losses(
    ours: Segmenter,
    theirs: Segmenter,
    picture: AskedPicture,
    score_threshold: float | None = None,
) -> Iterator[QuestionLoss]:
    """Ask both bundles of a picture, as far as both take texts and clicks.

    Clicks and boxes are on what the other's texts found. score_threshold: for the texts of both, in
    place of their own. Raises PromptError and InferenceError as `Segmenter.ask` does.
    """
    both = {*ours.bundle.capabilities} & {*theirs.bundle.capabilities}
    our_image, their_image = ours.encode_image(picture.rgb), theirs.encode_image(picture.rgb)
    found: list[Segment] = []
    if "concept" in both:
        texts = [ConceptPrompt(text) for text in picture.texts]
        expected = theirs.ask(their_image, texts, score_threshold)
        answers = ours.ask(our_image, texts, score_threshold)
        yield from _questions(picture.name, texts, answers.by_prompt, expected.by_prompt)
        found = list(expected)
    if "interactive" in both:
        clicks = clicks_on(map(Place.of, found), their_image.size)
        answers = ours.ask(our_image, clicks)
        expected = theirs.ask(their_image, clicks)
        yield from _questions(picture.name, clicks, answers.by_prompt, expected.by_prompt)


def _questions(
    picture: str,
    prompts: Sequence[Prompt],
    ours: Sequence[Sequence[Segment]],
    theirs: Sequence[Sequence[Segment]],
) -> Iterator[QuestionLoss]:
    for prompt, found, expected in zip(prompts, ours, theirs, strict=True):
        yield question_loss(picture, prompt, found, expected)


def question_loss(
    picture: str, prompt: Prompt, ours: Sequence[Segment], theirs: Sequence[Segment]
) -> QuestionLoss:
    """Compare two answers to a prompt: each object with that of the other that it overlaps most."""
    kind, asked = _described(prompt)
    # A click means one object, so its two masks are compared however little they share.
    least = SAME_OBJECT if kind == TEXTS else 0.0
    overlaps = overlaps_of([*map(Place.of, theirs)], [*map(Place.of, ours)])
    pairs = best_pairs(overlaps, least)
    return QuestionLoss(
        picture,
        asked,
        kind,
        tuple(float(overlaps[pair]) for pair in pairs.items()),
        tuple(ours[column].score - theirs[row].score for row, column in pairs.items()),
        len(theirs) - len(pairs),
        len(ours) - len(pairs),
    )


def _described(prompt: Prompt) -> tuple[str, str]:
    """Return the kind of a prompt and what it asks, for people."""
    if not isinstance(prompt, InteractivePrompt):
        return TEXTS, prompt.label
    if prompt.box is None:
        return CLICKS, "click at " + ", ".join(f"{value:.0f}" for value in prompt.points[0])
    return BOXES, "box " + ", ".join(f"{value:.0f}" for value in prompt.box.as_tuple())
