"""Measures how time grows with the number of prompts, cameras and points, and with image size."""

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
from sam3_ros.core.timings import Timings

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
    """The time for a number of items, end to end."""

    #: For people, such as "640x480".
    label: str
    #: How many items, by which the time is divided.
    amount: float
    #: Median over the repeats, ms.
    median_ms: float
    #: 95th percentile over the repeats, ms.
    p95_ms: float
    #: How many calls were timed.
    repeats: int

    @property
    def per_item_ms(self) -> float:
        return self.median_ms / self.amount


@dataclass(frozen=True)
class Growth:
    """How the time grows with one kind of item."""

    #: Its name for programs.
    key: str
    #: Its description for people.
    title: str
    #: What is counted, such as "prompt".
    item: str
    #: In ascending order of their amounts.
    points: tuple[GrowthPoint, ...]

    def ratio(self, point: GrowthPoint) -> float:
        """Return the point's median over that of the first point."""
        return point.median_ms / self.points[0].median_ms

    def each_more_ms(self, point: GrowthPoint) -> float | None:
        """Return the ms that each item beyond the first point's added; None for the first point."""
        first = self.points[0]
        if point.amount <= first.amount:
            return None
        return (point.median_ms - first.median_ms) / (point.amount - first.amount)


def growths(
    segmenter: Segmenter,
    workload: Workload,
    sizes: Sequence[ImageSize],
    budget: Budget,
    report: Report = lambda _: None,
) -> Iterator[Growth]:
    """Yield a growth for each kind of item that the bundle can answer.

    workload: its image and its first text are asked. Texts are cached, and one mask is drawn for
    each. `report` gets a line before each measurement.
    """
    calls = _Calls(segmenter, workload)
    yield _growth(
        *("prompts", f"{calls.many} on a new frame", "prompt", budget, report),
        ((str(n), n, calls.prompts(n)) for n in PROMPTS),
    )
    yield _growth(
        *("cameras", f"a new frame of each camera, {calls.one}", "camera", budget, report),
        ((str(n), n, calls.cameras(n)) for n in CAMERAS),
    )
    if "interactive" in segmenter.bundle.capabilities:
        yield _growth(
            *("points", "one object by so many points on a seen frame", "point", budget, report),
            ((str(n), n, calls.points(n)) for n in POINTS),
        )
    yield _growth(
        *("image size", f"a new frame, {calls.one}", "megapixel", budget, report),
        ((f"{w}x{h}", w * h / 1e6, calls.size(ImageSize(h, w))) for h, w in sizes),
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
        # A call slower than the budget is not warmed up: the point before it did that.
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


class _Calls:
    """The calls of each point: texts where the bundle takes any, else clicks."""

    def __init__(self, segmenter: Segmenter, workload: Workload) -> None:
        self._segmenter, self._image, self._text = segmenter, workload.image, workload.text
        self._embedding = segmenter.encode_image(workload.image)
        self._takes_text = "concept" in segmenter.bundle.capabilities
        self.one = f"one text ({workload.text})" if self._takes_text else "one click"
        self.many = "so many texts" if self._takes_text else "so many clicks"
        self._asked = self._texts() if self._takes_text else self._clicks()

    def prompts(self, count: int) -> Callable[[], Outcome]:
        return lambda: new_frame(self._segmenter, self._image, self._asked[:count])

    def cameras(self, count: int) -> Callable[[], Outcome]:
        """Encode a new frame of each camera; its last frame is kept, as in the node."""
        cameras = SimulatedCameras(self._segmenter, self._image, count)

        def call() -> Outcome:
            timings, segments = Timings(), 0
            for camera in range(count):
                outcome = cameras.new_frame(camera, self._asked[:1])
                timings.absorb(outcome.steps)
                segments += outcome.segments
            return Outcome(timings.as_dict(), segments)

        return call

    def points(self, count: int) -> Callable[[], Outcome]:
        prompt = InteractivePrompt(points=spiral(self._image, count))
        return lambda: seen_frame(self._segmenter, self._embedding, [ScenarioPrompt(prompt)])

    def size(self, size: ImageSize) -> Callable[[], Outcome]:
        image = resized(self._image, size, "bilinear_antialias")
        asked = self._asked[:1]
        if not self._takes_text:
            asked = [ScenarioPrompt(InteractivePrompt(points=spiral(image, 1)))]
        return lambda: new_frame(self._segmenter, image, asked)

    def _texts(self) -> list[ScenarioPrompt]:
        phrases = Workload(self._image, self._text, prompts=max(PROMPTS)).phrases
        prompts = [ConceptPrompt(phrase) for phrase in phrases]
        return [
            ScenarioPrompt(p, present_threshold(self._segmenter, self._embedding, p))
            for p in prompts
        ]

    def _clicks(self) -> list[ScenarioPrompt]:
        places = spiral(self._image, max(PROMPTS))
        return [
            ScenarioPrompt(InteractivePrompt(points=(place,), id=f"click {number}"))
            for number, place in enumerate(places)
        ]


def spiral(image: Image, count: int) -> tuple[tuple[float, float], ...]:
    """Spread points evenly over the middle of the image, the first in its centre, px."""
    height, width = image.shape[:2]
    radii = [math.sqrt(number / count) / 4 for number in range(count)]
    return tuple(
        (
            width * (0.5 + radius * math.cos(number * _GOLDEN_ANGLE)),
            height * (0.5 + radius * math.sin(number * _GOLDEN_ANGLE)),
        )
        for number, radius in enumerate(radii)
    )
