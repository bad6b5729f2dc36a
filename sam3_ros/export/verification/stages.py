"""One stage's ONNX file against the PyTorch module that it was made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.errors import Sam3RosError, VerificationError
from sam3_ros.core.precision.limits import ROUNDING_ALLOWED
from sam3_ros.core.stages.session import BRIEF_USE, Array, Session
from sam3_ros.export.stage import StageModule

#: Absolute, on inputs of unit scale; for an output that exceeds 1, relative to its largest value.
LIMIT = 1e-4
MASK_LIMIT = 1e-3
#: Outputs with the looser limit: mask logits are sums of hundreds of products, and only their sign
#: is used.
MASK_OUTPUTS = frozenset({"masks", "semantic", "sam_masks", "mask_prompt"})
#: Times PyTorch's own rounding that the largest difference may be, where the mean one is at most
#: ROUNDING_ALLOWED times as large. Where a sharp attention is undecided between far places, the
#: worst of a million numbers is chance: 3.8 times PyTorch's worst was seen, with the same mean.
LARGEST_ROUNDING_ALLOWED = 10
#: Of fewer numbers the mean is chance as well, and the largest is held to ROUNDING_ALLOWED.
_MANY = 100

#: Lengths to try on an axis that may grow; others get the default.
TRIED_LENGTHS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "prompts": (1, 2),
        "boxes": (1, 0, 3),
        "tokens": (33, 1, 8),
        "queries": (1, 4),
        "kept": (1, 4),
        "points": (1, 2, 9),
        "prompt_tokens": (2, 3, 10),
    }
)
_DEFAULT_LENGTHS = (1, 3)
_SEEDS_WITHOUT_LENGTHS = 2


@dataclass(frozen=True)
class OutputFigures:
    """How far an output is from PyTorch's, the worst of all cases."""

    #: Largest absolute difference.
    largest: float = 0.0
    #: Mean absolute difference.
    mean: float = 0.0
    #: Of the two flattened tensors.
    cosine: float = 1.0
    #: `largest` relative to the output's largest value, where that is beyond 1.
    of_scale: float = 0.0
    #: Of `of_scale`; above the usual one where PyTorch's own rounding is.
    limit: float = LIMIT

    def with_case(self, other: OutputFigures) -> OutputFigures:
        """Return the worse of each figure."""
        return OutputFigures(
            max(self.largest, other.largest),
            max(self.mean, other.mean),
            min(self.cosine, other.cosine),
            max(self.of_scale, other.of_scale),
            max(self.limit, other.limit),
        )


@dataclass(frozen=True)
class StageCase:
    """Inputs and what PyTorch computes from them, by canonical name."""

    #: Describes the inputs, for a reader.
    name: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


@dataclass(frozen=True)
class StageVerification:
    """A stage that was verified."""

    stage: str
    #: Figures by output.
    outputs: Mapping[str, OutputFigures]
    #: Names of the cases that were tried.
    cases: tuple[str, ...]

    @property
    def largest(self) -> float:
        """Largest absolute difference of any output."""
        return max(figures.largest for figures in self.outputs.values())

    def joined(self, other: StageVerification) -> StageVerification:
        """Return the worse figures, and all cases."""
        outputs = {name: own.with_case(other.outputs[name]) for name, own in self.outputs.items()}
        return StageVerification(self.stage, outputs, self.cases + other.cases)

    def as_dict(self) -> dict[str, object]:
        """Return the figures for the manifest, rounded to three digits, cosine to eight."""
        return {
            "cases": list(self.cases),
            "outputs": {
                name: {
                    "largest": float(f"{figures.largest:.3g}"),
                    "of_scale": float(f"{figures.of_scale:.3g}"),
                    "limit": float(f"{figures.limit:.3g}"),
                    "mean": float(f"{figures.mean:.3g}"),
                    "cosine": round(figures.cosine, 8),
                }
                for name, figures in self.outputs.items()
            },
        }


def verify_stage(
    name: str,
    stage: StageModule,
    model: Path | Session,
    cases: Iterable[StageCase] | None = None,
    refilled: Callable[[], StageModule] | None = None,
) -> StageVerification:
    """Compare a stage's ONNX file (or a session of it) with PyTorch.

    cases: by default unit_cases: many lengths and seeds. refilled: gives the stage with its weights
    where `stage` has lost them; called only where float64 has to decide how much of a difference is
    PyTorch's own rounding. Raises VerificationError where an output differs by more than LIMIT
    (MASK_LIMIT for mask logits) and than such rounding, is not finite, or is not computed at all,
    naming stage, output, figure, limit and lengths.
    """
    exact = ExactStage(refilled or (lambda: stage))
    session = open_session(model, options=BRIEF_USE) if isinstance(model, Path) else model
    figures = dict.fromkeys(stage.outputs, OutputFigures())
    tried = []
    try:
        for case in unit_cases(stage) if cases is None else cases:
            for output, found in _compare(name, case, _answers(name, session, case), exact).items():
                figures[output] = figures[output].with_case(found)
            tried.append(case.name)
    finally:
        if isinstance(model, Path):
            session.close()
    return StageVerification(name, figures, tuple(tried))


class ExactStage:
    """A stage in float64, made on first use: some stages amplify the last bit of a number."""

    def __init__(self, stage: Callable[[], StageModule]) -> None:
        self._make = stage
        self._stage: StageModule | None = None

    def outputs(self, case: StageCase) -> dict[str, Array]:
        """Return what the stage computes from a case's inputs, by canonical name."""
        if self._stage is None:
            self._stage = deepcopy(self._make()).double()
        tensors = (torch.from_numpy(np.array(value)) for value in case.inputs.values())
        with torch.inference_mode():
            found = self._stage(*(t.double() if t.is_floating_point() else t for t in tensors))
        return {n: t.numpy() for n, t in zip(self._stage.outputs, found, strict=True)}


def unit_cases(stage: StageModule) -> Iterator[StageCase]:
    """Yield inputs of unit scale: every length to try, each with its own seed."""
    for seed, lengths in enumerate(tried_lengths(stage), start=1):
        inputs = stage.examples(lengths, seed)
        with torch.inference_mode():
            outputs = stage.eval()(*inputs.values())
        named = " ".join(f"{length}={size}" for length, size in lengths.items())
        yield StageCase(
            f"seed={seed} {named}".strip(),
            {name: tensor.numpy() for name, tensor in inputs.items()},
            {n: tensor.numpy() for n, tensor in zip(stage.outputs, outputs, strict=True)},
        )


def fits(stage: StageModule, case: StageCase, fixed: Mapping[str, int]) -> bool:
    """Return whether a case has these lengths."""
    return all(
        case.inputs[name].shape[axis] == fixed.get(length, case.inputs[name].shape[axis])
        for name, tensor in stage.inputs.items()
        for axis, length in tensor.growing.items()
    )


def tried_lengths(stage: StageModule) -> list[dict[str, int]]:
    """Return combinations of lengths in which each length to try occurs, and the longest of all."""
    options = [_options(stage, length) for length in stage.lengths()]
    if not options:
        return [{}] * _SEEDS_WITHOUT_LENGTHS
    chosen: list[tuple[int, ...]] = []
    seen: set[tuple[int, int]] = set()
    for combination in product(*options):
        if not seen.issuperset(enumerate(combination)):
            seen.update(enumerate(combination))
            chosen.append(combination)
    longest = tuple(max(sizes) for sizes in options)
    if longest not in chosen:
        chosen.append(longest)
    return [dict(zip(stage.lengths(), combination, strict=True)) for combination in chosen]


def _options(stage: StageModule, length: str) -> tuple[int, ...]:
    shortest = stage.shortest.get(length, 1)
    sizes = (*TRIED_LENGTHS.get(length, _DEFAULT_LENGTHS), shortest)
    return tuple(dict.fromkeys(size for size in sizes if size >= shortest))


def _answers(stage: str, session: Session, case: StageCase) -> dict[str, Array]:
    feeds = {
        name: value.astype(session.inputs[name].dtype, copy=False)
        for name, value in case.inputs.items()
        if name in session.inputs
    }
    try:
        return session.run(feeds)
    except Sam3RosError:
        raise
    except Exception as error:  # the engine's own
        reason = " ".join(str(error).split())[:300]
        raise VerificationError(f"stage {stage!r} cannot run with {case.name}: {reason}") from error


def _compare(
    stage: str, case: StageCase, answers: Mapping[str, Array], exact: ExactStage
) -> dict[str, OutputFigures]:
    found = {}
    for name, expected in case.outputs.items():
        where = f"stage {stage!r}, output {name!r}, with {case.name}"
        if not np.isfinite(expected).all():
            raise VerificationError(f"{where}: PyTorch itself gives values that are not finite")
        figures = compare_output(where, expected, answers[name])
        limit = MASK_LIMIT if name in MASK_OUTPUTS else LIMIT
        if not figures.of_scale <= limit:
            true = exact.outputs(case)[name]
            own = compare_output(where, true, expected)
            ours = compare_output(where, true, answers[name])
            if expected.size < _MANY:
                limit = max(limit, ROUNDING_ALLOWED * own.of_scale)
            elif ours.mean <= ROUNDING_ALLOWED * own.mean:
                limit = max(limit, LARGEST_ROUNDING_ALLOWED * own.of_scale)
        found[name] = replace(figures, limit=limit)
        if not figures.of_scale <= limit:
            scale = figures.largest / figures.of_scale
            raise VerificationError(
                f"{where}: differs from PyTorch by {figures.largest:.2g}, at most "
                f"{limit * scale:.0e} is allowed; the export changed the stage"
            )
    return found


def compare_output(where: str, expected: Array, found: Array) -> OutputFigures:
    """Compare an output with PyTorch's.

    Raises VerificationError for another shape, and for values that are not finite.
    """
    if found.shape != expected.shape:
        raise VerificationError(
            f"{where}: has the shape {list(found.shape)}, PyTorch gives {list(expected.shape)}"
        )
    if not np.isfinite(found).all():
        raise VerificationError(f"{where}: gives values that are not finite, PyTorch does not")
    if not expected.size:
        return OutputFigures()
    ours, theirs = (value.astype(np.float64).ravel() for value in (found, expected))
    apart = np.abs(ours - theirs)
    largest, scale = float(apart.max()), max(1.0, float(np.abs(theirs).max()))
    return OutputFigures(largest, float(apart.mean()), _cosine(ours, theirs), largest / scale)


def _cosine(one: Array, other: Array) -> float:
    lengths = math.sqrt(float(one @ one) * float(other @ other))
    if lengths == 0.0:
        return 1.0 if not (one.any() or other.any()) else 0.0
    return float(one @ other) / lengths
