"""Paired timing: the segmenter and a baseline run in turns, for ratios free of other load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

from sam3_ros.bench.baselines.stage_chain import ChainQuestion
from sam3_ros.bench.measurement import Budget
from sam3_ros.core.segmenter.segments import Segment

#: Pause after the baseline, whose idle ONNX Runtime threads spin for a while by default and would
#: take the cores from what runs next.
REST_SECONDS = 0.3


@dataclass(frozen=True)
class CallSeconds:
    """Seconds of one call."""

    #: By the clock.
    wall: float
    #: On the cores, of all the process's threads.
    cpu: float


class Baseline(Protocol):
    """Another way to compute the answers."""

    @property
    def name(self) -> str:
        """One word."""
        ...

    @property
    def description(self) -> str:
        """What it does, for people."""
        ...

    @property
    def fixed_cost(self) -> bool:
        """Whether a frame costs the same whatever is asked, so that it runs once a round."""
        ...

    def time_answer(self, asked: str, question: ChainQuestion) -> CallSeconds:
        """Time the answer on a new frame; asked: "text" or "click"."""
        ...

    def answers(self, asked: str, question: ChainQuestion) -> list[Segment]:
        """Return its answer, to be compared."""
        ...

    def stage_ms(self) -> Mapping[str, float]:
        """Return the median ms on the device of each stage in the answers timed so far.

        Empty where stages are not timed there.
        """
        ...

    def close(self) -> None:
        """Free its sessions or process."""
        ...


@dataclass(frozen=True, eq=False)
class Pairing:
    """One of the segmenter's scenarios and what the baseline is asked for it."""

    #: Of the scenario, for programs.
    key: str
    #: Of the scenario, for people.
    title: str
    #: Answers the scenario once.
    ours: Callable[[], object]
    #: "text" or "click".
    asked: str


@dataclass(frozen=True)
class Ratios:
    """Times of the segmenter ("ours") over the baseline's ("theirs") in one scenario."""

    #: Of the scenario, for programs.
    key: str
    #: Of the scenario, for people.
    title: str
    #: Median ms by the clock, ours and theirs.
    wall_ms: tuple[float, float]
    #: Median ms of CPU time, ours and theirs.
    cpu_ms: tuple[float, float]
    #: Ours / theirs by the clock, round by round.
    repeats: tuple[float, ...]
    #: Ours / theirs by CPU time, round by round.
    cpu_repeats: tuple[float, ...]

    @classmethod
    def of(cls, key: str, title: str, turns: Sequence[tuple[CallSeconds, CallSeconds]]) -> Ratios:
        """Compare the calls of each turn: ours, then theirs."""
        ours, theirs = zip(*turns, strict=True)
        return cls(
            key,
            title,
            (_median_ms([each.wall for each in ours]), _median_ms([each.wall for each in theirs])),
            (_median_ms([each.cpu for each in ours]), _median_ms([each.cpu for each in theirs])),
            tuple(round(a.wall / b.wall, 4) for a, b in turns),
            tuple(round(a.cpu / max(b.cpu, 1e-9), 4) for a, b in turns),
        )

    @property
    def median(self) -> float:
        return median(self.repeats)

    @property
    def cpu_median(self) -> float:
        return median(self.cpu_repeats)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "key": self.key,
            "title": self.title,
            "ours_ms": self.wall_ms[0],
            "theirs_ms": self.wall_ms[1],
            "ours_cpu_ms": self.cpu_ms[0],
            "theirs_cpu_ms": self.cpu_ms[1],
            "median": round(self.median, 4),
            "min": min(self.repeats),
            "max": max(self.repeats),
            "cpu_median": round(self.cpu_median, 4),
            "repeats": list(self.repeats),
        }


def time_call(call: Callable[[], object]) -> CallSeconds:
    """Time one call of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return CallSeconds(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(
    pairings: Sequence[Pairing], baseline: Baseline, question: ChainQuestion, budget: Budget
) -> list[Ratios]:
    """Run rounds of all our scenarios, then the baseline, after one round to warm up."""
    _round(pairings, baseline, question)
    rounds: list[_Round] = []
    start = time.perf_counter()
    while budget.allows(len(rounds), time.perf_counter() - start):
        rounds.append(_round(pairings, baseline, question))
    return [_ratios(pairing, rounds) for pairing in pairings]


@dataclass(frozen=True)
class _Round:
    """The times of one round."""

    #: By the scenario's key.
    ours: Mapping[str, CallSeconds]
    #: By "text" and "click".
    theirs: Mapping[str, CallSeconds]


def _round(pairings: Sequence[Pairing], baseline: Baseline, question: ChainQuestion) -> _Round:
    ours = {pairing.key: time_call(pairing.ours) for pairing in pairings}
    asked = list(dict.fromkeys(pairing.asked for pairing in pairings))
    if baseline.fixed_cost:
        theirs = dict.fromkeys(asked, baseline.time_answer(asked[0], question))
    else:
        theirs = {each: baseline.time_answer(each, question) for each in asked}
    time.sleep(REST_SECONDS)
    return _Round(ours, theirs)


def _ratios(pairing: Pairing, rounds: Sequence[_Round]) -> Ratios:
    turns = [(each.ours[pairing.key], each.theirs[pairing.asked]) for each in rounds]
    return Ratios.of(pairing.key, pairing.title, turns)


def _median_ms(seconds: Sequence[float]) -> float:
    return round(median(seconds) * 1000, 3)
