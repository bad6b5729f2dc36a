"""The scenarios that are timed: well-defined cases that a robot meets.

With weights that do not know the picture, all queries may be kept, or none. So "present" sets the
threshold to the second best query's score, for one mask to be drawn (several where the best scores
are equal), and "absent" sets it to 1, which no score exceeds. A click is on something that the
model sees, if there is any: what the answer costs is the mask too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product

import numpy as np
import numpy.typing as npt

from sam3_ros.bench.measurement import Outcome
from sam3_ros.core.segmenter.concept import exemplar_feeds, scores_of
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.timings import Timings

Image = npt.NDArray[np.uint8]

ABSENT = 1.0
#: A click is looked for at so many parts of the width and height, less one.
CLICKS = 8
MORE_PHRASES = ("green cube", "blue ball", "white cylinder", "yellow star", "black ring")


@dataclass(frozen=True)
class ScenarioPrompt:
    """A prompt with the threshold that its scenario needs."""

    #: What is asked.
    prompt: Prompt
    #: Queries with higher scores are kept; None for the bundle's own threshold.
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class Workload:
    """What the scenarios ask."""

    #: uint8 [H, W, 3] in RGB.
    image: Image
    #: The first phrase.
    text: str
    #: Phrases in the scenario with several, at least 1.
    prompts: int = 2
    #: Cameras in the scenario with several, at least 1.
    cameras: int = 2

    def __post_init__(self) -> None:
        if self.prompts < 1 or self.cameras < 1:
            raise ValueError(f"prompts and cameras must be at least 1, got {self}")

    @property
    def phrases(self) -> tuple[str, ...]:
        """As many different phrases as `prompts`, at least two."""
        wanted = max(self.prompts, 2)
        others = [phrase for phrase in MORE_PHRASES if phrase != self.text]
        others += [f"object {number}" for number in range(wanted)]
        return (self.text, *others)[:wanted]


@dataclass(frozen=True, eq=False)
class Scenario:
    """One case to time."""

    #: Its name for programs.
    key: str
    #: Its description for people.
    title: str
    #: Answers once and returns what it did.
    call: Callable[[], Outcome]


def scenarios(segmenter: Segmenter, workload: Workload) -> Iterator[Scenario]:
    """Yield the scenarios that the bundle can answer, with thresholds found beforehand."""
    if "concept" in segmenter.bundle.capabilities:
        yield from _concept_scenarios(segmenter, workload)
    if "interactive" in segmenter.bundle.capabilities:
        yield from _click_scenarios(segmenter, workload)


def present_threshold(segmenter: Segmenter, image: ImageEmbedding, prompt: ConceptPrompt) -> float:
    """Return the second best score, or the next lower number where the best two are equal."""
    ranked = np.sort(query_scores(segmenter, image, prompt))[::-1]
    second = ranked[1] if len(ranked) > 1 else np.float32(0)
    return float(second if second < ranked[0] else np.nextafter(ranked[0], np.float32(0)))


def present_click(segmenter: Segmenter, image: ImageEmbedding) -> InteractivePrompt:
    """Return a click that is answered with a mask, the one nearest to the image's middle.

    It is tried on a grid. Where nothing is answered anywhere, it is the middle itself.
    """
    size = image.transform.source
    grid = sorted(product(range(1, CLICKS), repeat=2), key=_from_middle)
    clicks = [
        InteractivePrompt(points=((size.width * x / CLICKS, size.height * y / CLICKS),))
        for y, x in grid
    ]
    answered = (each for each in clicks if any(s.mask.any() for s in segmenter.ask(image, [each])))
    return next(answered, clicks[0])


def _from_middle(place: tuple[int, ...]) -> float:
    return math.dist(place, (CLICKS / 2, CLICKS / 2))


def query_scores(
    segmenter: Segmenter, image: ImageEmbedding, prompt: ConceptPrompt
) -> npt.NDArray[np.float32]:
    """Return the scores of all queries, f32 [Q] in [0, 1]."""
    text = segmenter.encode_text(prompt.text or "")
    exemplars = image.lengths.boxes_of(exemplar_feeds(prompt, image.transform))
    tokens = image.prompt_tokens(text, exemplars)
    computed = image.compute(("logits", "presence"), tokens)
    return np.asarray(scores_of(computed["logits"], computed["presence"])[0], np.float32)


class SimulatedCameras:
    """Cameras with different views, whose last frames stay in memory as in the node."""

    def __init__(self, segmenter: Segmenter, image: Image, count: int) -> None:
        self._segmenter = segmenter
        self._views = [np.roll(image, 7 * camera, axis=1) for camera in range(count)]
        self._kept: dict[int, ImageEmbedding] = {}

    def new_frame(self, camera: int, asked: Sequence[ScenarioPrompt]) -> Outcome:
        """Encode one more frame of this camera and ask."""
        embedding = self._segmenter.encode_image(self._views[camera])
        self._kept[camera] = embedding
        return _ask(self._segmenter, embedding, asked, embedding.timings)


def new_frame(segmenter: Segmenter, image: Image, asked: Sequence[ScenarioPrompt]) -> Outcome:
    """Encode the image and ask."""
    embedding = segmenter.encode_image(image)
    return _ask(segmenter, embedding, asked, embedding.timings)


def seen_frame(
    segmenter: Segmenter, image: ImageEmbedding, asked: Sequence[ScenarioPrompt]
) -> Outcome:
    """Ask of an image whose features are computed already."""
    return _ask(segmenter, image, asked, {})


def _concept_scenarios(segmenter: Segmenter, workload: Workload) -> Iterator[Scenario]:
    image = workload.image
    embedding = segmenter.encode_image(image)
    prompts = [ConceptPrompt(phrase) for phrase in workload.phrases]
    present = [ScenarioPrompt(p, present_threshold(segmenter, embedding, p)) for p in prompts]
    first, second, many = present[:1], present[1:2], present[: workload.prompts]
    absent = [ScenarioPrompt(prompts[0], ABSENT)]
    text = f"text {workload.text!r}"
    yield Scenario(
        "text_new_frame",
        f"{text} on a new frame, text cached, one mask drawn",
        lambda: new_frame(segmenter, image, first),
    )
    yield Scenario(
        "text_absent",
        f"{text} on a new frame, text cached, nothing kept (threshold 1)",
        lambda: new_frame(segmenter, image, absent),
    )
    yield Scenario(
        "second_text_seen_frame",
        "a second text on a seen frame, text cached, one mask drawn",
        lambda: seen_frame(segmenter, embedding, second),
    )
    if workload.prompts > 1:
        yield Scenario(
            "prompts_new_frame",
            f"{workload.prompts} texts on a new frame, cached, one mask drawn of each",
            lambda: new_frame(segmenter, image, many),
        )
    if workload.cameras > 1:
        yield _round_robin(segmenter, workload, "text, cached", first)


def _click_scenarios(segmenter: Segmenter, workload: Workload) -> Iterator[Scenario]:
    image = workload.image
    embedding = segmenter.encode_image(image)
    click = [ScenarioPrompt(present_click(segmenter, embedding))]
    yield Scenario(
        "click_new_frame",
        "one click, every frame new",
        lambda: new_frame(segmenter, image, click),
    )
    yield Scenario(
        "click_seen_frame",
        "one click on a seen frame",
        lambda: seen_frame(segmenter, embedding, click),
    )
    if workload.cameras > 1 and "concept" not in segmenter.bundle.capabilities:
        yield _round_robin(segmenter, workload, "one click", click)


def _round_robin(
    segmenter: Segmenter, workload: Workload, what: str, asked: Sequence[ScenarioPrompt]
) -> Scenario:
    cameras = SimulatedCameras(segmenter, workload.image, workload.cameras)
    turns = cycle(range(workload.cameras))
    return Scenario(
        "cameras_round_robin",
        f"{workload.cameras} cameras round robin, {what}: for each frame",
        lambda: cameras.new_frame(next(turns), asked),
    )


def _ask(
    segmenter: Segmenter,
    embedding: ImageEmbedding,
    asked: Sequence[ScenarioPrompt],
    before: Mapping[str, float],
) -> Outcome:
    """Ask all prompts at once. before: seconds by step of what was done for this call."""
    thresholds = [each.threshold for each in asked]
    segments = segmenter.ask(embedding, [each.prompt for each in asked], thresholds)
    timings = Timings()
    timings.absorb(before)
    timings.absorb(segments.timings)
    return Outcome(timings.as_dict(), len(segments))
