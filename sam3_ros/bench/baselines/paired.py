"""Two ways to the same answers, run in turns, and what one takes of the other's time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

from sam3_ros.bench.baselines.stage_chain import ChainQuestion
from sam3_ros.bench.measurement import Budget
from sam3_ros.core.segmenter.segments import Segment

#: After the baseline: the idle threads of its sessions go on spinning for a while, by ONNX Runtime's
#: default, and would take the cores from what comes next.
REST_SECONDS = 0.3


@dataclass(frozen=True)
class CallSeconds:
    """Seconds of one call: by the clock, and of all the process's threads on the cores."""

    wall: float
    cpu: float


class Baseline(Protocol):
    """Answers the same questions another way. name: one word, description: what it does.
    fixed_cost: a frame costs it the same whatever is asked, so it is run once a round."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def fixed_cost(self) -> bool: ...

    def time_answer(self, asked: str, question: ChainQuestion) -> CallSeconds:
        """Answer on a new frame; asked: "text" or "click"."""
        ...

    def answers(self, asked: str, question: ChainQuestion) -> list[Segment]:
        """What it answers, to be compared."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class Pairing:
    """One of our scenarios, and what the baseline is asked for it: "text" or "click"."""

    key: str
    title: str
    ours: Callable[[], object]
    asked: str


@dataclass(frozen=True)
class Ratios:
    """ours / theirs, repeat by repeat; wall_ms and cpu_ms are medians, of ours and of theirs."""

    key: str
    title: str
    wall_ms: tuple[float, float]
    cpu_ms: tuple[float, float]
    repeats: tuple[float, ...]
    cpu_repeats: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.repeats)

    @property
    def cpu_median(self) -> float:
        return median(self.cpu_repeats)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
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
    """Every round runs each of ours and then the baseline, after one round to warm up."""
    _round(pairings, baseline, question)
    rounds: list[_Round] = []
    start = time.perf_counter()
    while budget.allows(len(rounds), time.perf_counter() - start):
        rounds.append(_round(pairings, baseline, question))
    return [_ratios(pairing, rounds) for pairing in pairings]


@dataclass(frozen=True)
class _Round:
    ours: Mapping[str, CallSeconds]
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
    ours = [each.ours[pairing.key] for each in rounds]
    theirs = [each.theirs[pairing.asked] for each in rounds]
    pairs = list(zip(ours, theirs, strict=True))
    return Ratios(
        pairing.key,
        pairing.title,
        (_median_ms([each.wall for each in ours]), _median_ms([each.wall for each in theirs])),
        (_median_ms([each.cpu for each in ours]), _median_ms([each.cpu for each in theirs])),
        tuple(round(a.wall / b.wall, 4) for a, b in pairs),
        tuple(round(a.cpu / max(b.cpu, 1e-9), 4) for a, b in pairs),
    )


def _median_ms(seconds: Sequence[float]) -> float:
    return round(median(seconds) * 1000, 3)
