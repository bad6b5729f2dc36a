"""How the cost grows with the number of prompts, cameras and points, and with the image's size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import numpy.typing as npt

from sam3_ros.bench.measurement import END_TO_END, Budget, Outcome, measure
from sam3_ros.bench.scenarios import (
    ScenarioPrompt,
    SimulatedCameras,
    Workload,
    new_frame,
    present_threshold,
    seen_frame,
)
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.pixels import resized
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

PROMPTS, CAMERAS, POINTS = (1, 2, 4, 8, 16), (1, 2, 3, 4), (1, 2, 4, 8, 16, 32)
SIZES = (
    ImageSize(240, 320),
    ImageSize(480, 640),
    ImageSize(720, 1280),
    ImageSize(1080, 1920),
    ImageSize(2160, 3840),
)
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))

Image = npt.NDArray[np.uint8]
Report = Callable[[str], None]


@dataclass(frozen=True)
class GrowthPoint:
    """label: as people report it. amount: what the cost is divided by. Times in ms, end to end."""

    label: str
    amount: float
    median_ms: float
    p95_ms: float
    repeats: int

    @property
    def per_item_ms(self) -> float:
        return self.median_ms / self.amount


@dataclass(frozen=True)
class Growth:
    """key: for programs. item: what is counted, such as prompt. points: the first is the least."""

    key: str
    title: str
    item: str
    points: tuple[GrowthPoint, ...]

    def ratio(self, point: GrowthPoint) -> float:
        """To the first."""
        return point.median_ms / self.points[0].median_ms

    def each_more_ms(self, point: GrowthPoint) -> float | None:
        """What every item beyond the first point's has added; None for the first itself."""
        first = self.points[0]
        if point.amount <= first.amount:
            return None
        return (point.median_ms - first.median_ms) / (point.amount - first.amount)


def growths(
    segmenter: Segmenter,
    question: Workload,
    sizes: Sequence[ImageSize],
    budget: Budget,
    report: Report = lambda _: None,
) -> Iterator[Growth]:
    """Those that the bundle can answer. question: its image and its first text are asked.

    Texts are cached, and of each one mask is drawn. report is told of each measurement before it.
    """
    asking = _Asking(segmenter, question)
    yield _growth(
        *("prompts", f"{asking.many} on a new frame", "prompt", budget, report),
        ((str(n), n, asking.prompts(n)) for n in PROMPTS),
    )
    yield _growth(
        *("cameras", f"a new frame of each camera, {asking.one}", "camera", budget, report),
        ((str(n), n, asking.cameras(n)) for n in CAMERAS),
    )
    if "interactive" in segmenter.bundle.capabilities:
        yield _growth(
            *("points", "one object by so many points on a seen frame", "point", budget, report),
            ((str(n), n, asking.points(n)) for n in POINTS),
        )
    yield _growth(
        *("image size", f"a new frame, {asking.one}", "megapixel", budget, report),
        ((f"{w}x{h}", w * h / 1e6, asking.size(ImageSize(h, w))) for h, w in sizes),
    )


def _growth(
    key: str,
    title: str,
    item: str,
    budget: Budget,
    report: Report,
    cases: Iterator[tuple[str, float, Callable[[], Outcome]]],
) -> Growth:
    points: list[GrowthPoint] = []
    for label, amount, call in cases:
        report(f"{key}: {label}")
        # What takes longer than the budget is not run only to warm up: the point before did that.
        is_slow = bool(points) and points[-1].median_ms > 1000 * budget.seconds
        point = _once if is_slow else _within
        points.append(point(label, amount, call, budget))
    return Growth(key, title, item, tuple(points))


def _within(label: str, amount: float, call: Callable[[], Outcome], budget: Budget) -> GrowthPoint:
    found = measure(label, call, budget)
    time = found.steps[END_TO_END]
    return GrowthPoint(label, amount, time.median_ms, time.p95_ms, found.repeats)


def _once(label: str, amount: float, call: Callable[[], Outcome], _: Budget) -> GrowthPoint:
    start = perf_counter()
    call()
    ms = round(1000 * (perf_counter() - start), 3)
    return GrowthPoint(label, amount, ms, ms, 1)


class _Asking:
    """What is asked at each point: texts where the bundle takes any, else clicks."""

    def __init__(self, segmenter: Segmenter, question: Workload) -> None:
        self._segmenter, self._image, self._text = segmenter, question.image, question.text
        self._embedding = segmenter.encode_image(question.image)
        self._takes_text = "concept" in segmenter.bundle.capabilities
        self.one = f"one text ({question.text})" if self._takes_text else "one click"
        self.many = "so many texts" if self._takes_text else "so many clicks"
        self._asked = self._texts() if self._takes_text else self._clicks()

    def prompts(self, count: int) -> Callable[[], Outcome]:
        return lambda: new_frame(self._segmenter, self._image, self._asked[:count])

    def cameras(self, count: int) -> Callable[[], Outcome]:
        """Each camera sees something else; its last frame is kept, as in the node."""
        cameras = SimulatedCameras(self._segmenter, self._image, count)
        return lambda: _joined(
            [cameras.new_frame(camera, self._asked[:1]) for camera in range(count)]
        )

    def points(self, count: int) -> Callable[[], Outcome]:
        prompt = InteractivePrompt(points=_spiral(self._image, count))
        return lambda: seen_frame(self._segmenter, self._embedding, [ScenarioPrompt(prompt)])

    def size(self, size: ImageSize) -> Callable[[], Outcome]:
        image = resized(self._image, size, "bilinear_antialias")
        asked = self._asked[:1]
        if not self._takes_text:
            asked = [ScenarioPrompt(InteractivePrompt(points=_spiral(image, 1)))]
        return lambda: new_frame(self._segmenter, image, asked)

    def _texts(self) -> list[ScenarioPrompt]:
        phrases = Workload(self._image, self._text, prompts=max(PROMPTS)).phrases
        prompts = [ConceptPrompt(phrase) for phrase in phrases]
        return [
            ScenarioPrompt(p, present_threshold(self._segmenter, self._embedding, p))
            for p in prompts
        ]

    def _clicks(self) -> list[ScenarioPrompt]:
        places = _spiral(self._image, max(PROMPTS))
        return [
            ScenarioPrompt(InteractivePrompt(points=(place,), id=f"click {number}"))
            for number, place in enumerate(places)
        ]


def _joined(outcomes: Sequence[Outcome]) -> Outcome:
    steps: dict[str, float] = {}
    for outcome in outcomes:
        for step, seconds in outcome.steps.items():
            steps[step] = steps.get(step, 0.0) + seconds
    return Outcome(steps, sum(outcome.segments for outcome in outcomes))


def _spiral(image: Image, count: int) -> tuple[tuple[float, float], ...]:
    """Places that spread evenly over the middle of the image, the first in its centre, px."""
    height, width = image.shape[:2]
    radii = [math.sqrt(number / count) / 4 for number in range(count)]
    return tuple(
        (
            width * (0.5 + radius * math.cos(number * _GOLDEN_ANGLE)),
            height * (0.5 + radius * math.sin(number * _GOLDEN_ANGLE)),
        )
        for number, radius in enumerate(radii)
    )
