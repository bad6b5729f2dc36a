"""Measures what each optimisation saves: it is switched off, in turns with all on.

A chain with switches (stage_chain.py) runs on the segmenter's own sessions, so that nothing but the
one optimisation differs.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from sam3_ros.bench.baselines.comparison import chain_question
from sam3_ros.bench.baselines.paired import time_call
from sam3_ros.bench.baselines.stage_chain import (
    FULL,
    ChainQuestion,
    Image,
    Optimisations,
    StageChain,
    run_by,
)
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import ABSENT, Workload
from sam3_ros.core.segmenter.segmenter import Segmenter


@dataclass(frozen=True)
class _Case:
    """An optimisation switched off in one scenario."""

    #: The optimisation, for people.
    title: str
    #: The scenario, for people.
    scenario: str
    #: All on but the one.
    optimisations: Optimisations
    #: "text" or "click".
    asked: str
    #: What the chain is asked.
    question: ChainQuestion


@dataclass(frozen=True)
class Reduction:
    """What one optimisation saves in one scenario, by the clock."""

    #: The optimisation, for people.
    title: str
    #: The scenario, for people.
    scenario: str
    #: Median time without the optimisation.
    without_ms: float
    #: Median time with it.
    with_ms: float
    #: Time without / time with, repeat by repeat.
    ratios: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        ends = {"median": median(self.ratios), "min": min(self.ratios), "max": max(self.ratios)}
        return {**asdict(self), **{name: round(value, 4) for name, value in ends.items()}}


def ablation(segmenter: Segmenter, workload: Workload, budget: Budget) -> list[Reduction]:
    """Measure each optimisation that the bundle makes use of.

    Raises InferenceError when a stage fails.
    """
    cases = _cases(segmenter, chain_question(segmenter, workload))
    return [_measured(segmenter, case, workload.image, budget) for case in cases]


def _cases(segmenter: Segmenter, asked: ChainQuestion) -> list[_Case]:
    found = []
    absent = replace(asked, threshold=ABSENT)
    capabilities = segmenter.bundle.capabilities
    if "concept" in capabilities:
        no_text_cache = replace(FULL, text_cached=False)
        all_masks = replace(FULL, kept_only=False)
        always = replace(FULL, skip_empty=False)
        found.append(_Case("the text kept", "text, one mask", no_text_cache, "text", asked))
        found.append(
            _Case("masks of kept queries only", "text, one mask", all_masks, "text", asked)
        )
        found.append(_Case("no masks where none is kept", "text, absent", always, "text", absent))
    if {"concept", "interactive"} <= {*capabilities}:
        all_necks = replace(FULL, necks_on_demand=False)
        what = "only the image stages that are needed"
        found.append(_Case(what, "text, one mask", all_necks, "text", asked))
        found.append(_Case(what, "click", all_necks, "click", asked))
    return found


def _measured(segmenter: Segmenter, case: _Case, image: Image, budget: Budget) -> Reduction:
    without, whole = _chain(segmenter, case.optimisations), _chain(segmenter, FULL)

    def seconds(chain: StageChain) -> float:
        return time_call(lambda: chain.answer(image, case.question, case.asked)).wall

    def both() -> tuple[float, float]:
        return seconds(without), seconds(whole)

    both()
    pairs: list[tuple[float, float]] = []
    start = time.perf_counter()
    while budget.allows(len(pairs), time.perf_counter() - start):
        pairs.append(both())
    off, on = zip(*pairs, strict=True)
    ratios = tuple(round(a / b, 4) for a, b in pairs)
    return Reduction(
        case.title,
        case.scenario,
        round(median(off) * 1000, 3),
        round(median(on) * 1000, 3),
        ratios,
    )


def _chain(segmenter: Segmenter, optimisations: Optimisations) -> StageChain:
    bundle = segmenter.bundle
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    return StageChain(bundle.manifest, run_by(segmenter.graph), tokenizer, optimisations)
