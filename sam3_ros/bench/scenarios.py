"""What is asked of a segmenter to time it: the cases that a robot meets, each well defined.

With weights that know nothing of the picture all queries may be kept, or none. So "present" means
here that the threshold is the second best query's score, for one mask to be drawn (where the best
are equal, all of them are), and "absent" that it is 1, which no score exceeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

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
MORE_PHRASES = ("green cube", "blue ball", "white cylinder", "yellow star", "black ring")


@dataclass(frozen=True)
class ScenarioPrompt:
    """A prompt and the score from which its queries are kept; None for the bundle's own."""

    prompt: Prompt
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class Workload:
    """What the scenarios ask. image: uint8 [H, W, 3] in RGB; text: the first phrase."""

    image: Image
    text: str
    prompts: int = 2
    cameras: int = 2

    def __post_init__(self) -> None:
        if self.prompts < 1 or self.cameras < 1:
            raise ValueError(f"prompts and cameras must be at least 1, got {self}")

    @property
    def phrases(self) -> tuple[str, ...]:
        """As many as `prompts`, and at least two, all different."""
        wanted = max(self.prompts, 2)
        others = [phrase for phrase in MORE_PHRASES if phrase != self.text]
        others += [f"object {number}" for number in range(wanted)]
        return (self.text, *others)[:wanted]

    @property
    def click(self) -> InteractivePrompt:
        """On the middle of the image."""
        height, width = self.image.shape[:2]
        return InteractivePrompt(points=((width / 2, height / 2),))


@dataclass(frozen=True, eq=False)
class Scenario:
    """key: for programs; title: for people. call answers once and says what it did."""

    key: str
    title: str
    call: Callable[[], Outcome]


def scenarios(segmenter: Segmenter, question: Workload) -> Iterator[Scenario]:
    """Those that the bundle can answer. The thresholds are looked up before the first."""
    if "concept" in segmenter.bundle.capabilities:
        yield from _of_words(segmenter, question)
    if "interactive" in segmenter.bundle.capabilities:
        yield from _of_clicks(segmenter, question)


def present_threshold(segmenter: Segmenter, image: ImageEmbedding, prompt: ConceptPrompt) -> float:
    """The second best score, or where the best two are equal one just below them."""
    ranked = np.sort(query_scores(segmenter, image, prompt))[::-1]
    second = ranked[1] if len(ranked) > 1 else np.float32(0)
    return float(second if second < ranked[0] else np.nextafter(ranked[0], np.float32(0)))


def query_scores(
    segmenter: Segmenter, image: ImageEmbedding, prompt: ConceptPrompt
) -> npt.NDArray[np.float32]:
    """f32[Q] in [0, 1] of all queries."""
    text = segmenter.encode_text(prompt.text or "")
    tokens = image.prompt_tokens(text, exemplar_feeds(prompt, image.transform))
    computed = image.compute(("logits", "presence"), tokens)
    return np.asarray(scores_of(computed["logits"], computed["presence"])[0], np.float32)


class SimulatedCameras:
    """Each has a view of its own, and its last frame stays in memory, as in the node."""

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
    """Ask of an image whose features are there."""
    return _ask(segmenter, image, asked, {})


def _of_words(segmenter: Segmenter, question: Workload) -> Iterator[Scenario]:
    image = question.image
    embedding = segmenter.encode_image(image)
    prompts = [ConceptPrompt(phrase) for phrase in question.phrases]
    present = [ScenarioPrompt(p, present_threshold(segmenter, embedding, p)) for p in prompts]
    first, second, many = present[:1], present[1:2], present[: question.prompts]
    absent = [ScenarioPrompt(prompts[0], ABSENT)]
    text = f"text {question.text!r}"
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
    if question.prompts > 1:
        yield Scenario(
            "prompts_new_frame",
            f"{question.prompts} texts on a new frame, cached, one mask drawn of each",
            lambda: new_frame(segmenter, image, many),
        )
    if question.cameras > 1:
        yield _round_robin(segmenter, question, "text, cached", first)


def _of_clicks(segmenter: Segmenter, question: Workload) -> Iterator[Scenario]:
    image = question.image
    click = [ScenarioPrompt(question.click)]
    yield Scenario(
        "click_new_frame",
        "one click, every frame new",
        lambda: new_frame(segmenter, image, click),
    )
    embedding = segmenter.encode_image(image)
    yield Scenario(
        "click_seen_frame",
        "one click on a seen frame",
        lambda: seen_frame(segmenter, embedding, click),
    )
    if question.cameras > 1 and "concept" not in segmenter.bundle.capabilities:
        yield _round_robin(segmenter, question, "one click", click)


def _round_robin(
    segmenter: Segmenter, question: Workload, what: str, asked: Sequence[ScenarioPrompt]
) -> Scenario:
    cameras = SimulatedCameras(segmenter, question.image, question.cameras)
    turns = cycle(range(question.cameras))
    return Scenario(
        "cameras_round_robin",
        f"{question.cameras} cameras round robin, {what}: for each frame",
        lambda: cameras.new_frame(next(turns), asked),
    )


def _ask(
    segmenter: Segmenter,
    embedding: ImageEmbedding,
    asked: Sequence[ScenarioPrompt],
    before: Mapping[str, float],
) -> Outcome:
    """Ask one prompt after the other. before: seconds by step of what was done for this call."""
    timings = Timings()
    timings.absorb(before)
    count = 0
    for each in asked:
        segments = segmenter.ask(embedding, [each.prompt], each.threshold)
        timings.absorb(segments.timings)
        count += len(segments)
    return Outcome(timings.as_dict(), count)
