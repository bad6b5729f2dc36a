"""What the review sheet tells of a source: counts, scores, and the frames that are shown."""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sam3_ros.label.answers import LabelledFrame
from sam3_ros.label.results import LabelledSource

#: Of each kind.
SHOWN = 3
#: Bars of the histogram of scores, from 0 to 1.
BINS = 20
# Of so many images in a row one at most is among the best, and one among the worst: neighbours look
# the same.
_WINDOW = 25


class Placed(NamedTuple):
    """An image that was answered, and how good its answer is."""

    #: Of its topic, by name.
    topic: str
    frame: LabelledFrame

    @property
    def lowest(self) -> float:
        """The lowest score of what is seen in it; where nothing is, none."""
        return min(each.score for each in self.frame.objects if each.bounds is not None)

    @property
    def shows_something(self) -> bool:
        return any(each.bounds is not None for each in self.frame.objects)


@dataclass
class Counts:
    """What was found, by prompt id; several can be added up."""

    frames: int = 0
    failed: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    #: In how many images there is one.
    frames_with: Counter[str] = field(default_factory=Counter)
    #: How many ids there are.
    tracks: Counter[str] = field(default_factory=Counter)
    #: By prompt id, then by bar.
    scores: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, frame: LabelledFrame) -> None:
        """Count what is seen in an image."""
        if frame.failure:
            self.failed += 1
            return
        self.frames += 1
        seen = [each for each in frame.objects if each.bounds is not None]
        self.objects.update(each.prompt_id for each in seen)
        self.frames_with.update({each.prompt_id for each in seen})
        for each in seen:
            self.scores[each.prompt_id][bar_of(each.score)] += 1

    def add_all(self, other: Counts) -> None:
        """Add those of another source."""
        self.frames += other.frames
        self.failed += other.failed
        self.objects += other.objects
        self.frames_with += other.frames_with
        self.tracks += other.tracks
        for prompt_id, scores in other.scores.items():
            self.scores[prompt_id] += scores

    @property
    def all_scores(self) -> Counter[int]:
        """Of all prompts, by bar."""
        return sum(self.scores.values(), Counter())


@dataclass(frozen=True)
class SourceSummary:
    """One source."""

    counts: Counts
    #: What is shown, by its kind: best, worst, random; each in the order of time.
    shown: Mapping[str, tuple[Placed, ...]]


def bar_of(score: float) -> int:
    """Return the bar of a histogram that a score is counted in."""
    return min(max(int(score * BINS), 0), BINS - 1)


def summarised(labelled: LabelledSource) -> SourceSummary:
    """Read all answers of a source once. Raises ChunkFileError, OSError."""
    counts = Counts()
    chosen = _Chosen(labelled.source.name)
    for topic in labelled.topics:
        # Ids of a topic grow, so the last one of a prompt need not be known.
        ids: dict[str, set[int]] = defaultdict(set)
        for frame in _counted(labelled.frames(topic), counts):
            for each in frame.objects:
                if each.track_id is not None:
                    ids[each.prompt_id].add(each.track_id)
            if not frame.failure:
                chosen.look_at(Placed(topic.name, frame))
        counts.tracks += Counter({prompt_id: len(each) for prompt_id, each in ids.items()})
        chosen.end_of_topic()
    return SourceSummary(counts, chosen.by_kind())


def _counted(frames: Iterable[LabelledFrame], counts: Counts) -> Iterator[LabelledFrame]:
    for frame in frames:
        counts.add(frame)
        yield frame


class _Chosen:
    """Chooses frames while they go by; the same for the same answers."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(f"review of {name}")
        self._number = 0
        self._sample: list[Placed] = []
        #: Of the window.
        self._best: tuple[float, int, Placed] | None = None
        self._worst: tuple[float, int, Placed] | None = None
        self._in_window = 0
        #: Heaps: what is least worth showing is first. Numbers are unique, so no frame is compared.
        self._all_best: list[tuple[float, int, Placed]] = []
        self._all_worst: list[tuple[float, int, Placed]] = []

    def look_at(self, placed: Placed) -> None:
        """Take the next frame of the topic."""
        self._number += 1
        self._sample_from(placed)
        if placed.shows_something:
            # Of equal ones the earlier.
            best = (placed.lowest, -self._number, placed)
            worst = (-placed.lowest, -self._number, placed)
            self._best = best if self._best is None else max(self._best, best)
            self._worst = worst if self._worst is None else max(self._worst, worst)
        self._in_window += 1
        if self._in_window == _WINDOW:
            self.end_of_topic()

    def end_of_topic(self) -> None:
        """End the window."""
        for heap, each in ((self._all_best, self._best), (self._all_worst, self._worst)):
            if each is not None:
                heapq.heappush(heap, each)
                if len(heap) > SHOWN:
                    heapq.heappop(heap)
        self._best = self._worst = None
        self._in_window = 0

    def by_kind(self) -> dict[str, tuple[Placed, ...]]:
        """Return what is shown."""
        kinds = {
            "best": [placed for _, _, placed in self._all_best],
            "worst": [placed for _, _, placed in self._all_worst],
            "random": self._sample,
        }
        return {
            kind: tuple(sorted(each, key=lambda placed: (placed.topic, placed.frame.index)))
            for kind, each in kinds.items()
        }

    def _sample_from(self, placed: Placed) -> None:
        """Keep each frame with the same probability (Vitter 1985, sampling with a reservoir)."""
        if len(self._sample) < SHOWN:
            self._sample.append(placed)
        elif (place := self._random.randrange(self._number)) < SHOWN:
            self._sample[place] = placed
