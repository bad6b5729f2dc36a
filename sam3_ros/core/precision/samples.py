"""Samples of a stage's outputs: 4 kB a tensor, enough to measure how far another run deviates.

A full-size model's tensors take up to 85 MB each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np

from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array

#: Values kept of a tensor, at most.
SAMPLES = 1024

#: Samples by stage, then by the output's canonical name.
StageSamples = Mapping[str, Mapping[str, "TensorSamples"]]
#: Canonical names of the tensors with one row for each query.
OF_QUERIES = ("queries", "pred_boxes", "logits")
#: Added to the name of a stage that runs twice for one question: following asks the mask decoder
#: about a given mask, then for the object.
AGAIN = ", again"


@dataclass(frozen=True, eq=False)
class TensorSamples:
    """Some values of a tensor, evenly spread, and figures over all of it."""

    #: Of the whole tensor.
    shape: tuple[int, ...]
    #: f32 [n], n at most SAMPLES: every `stride_over(shape)`-th value.
    values: Array
    #: Mean of the absolute values that are finite.
    mean_absolute: float
    #: Largest absolute value that is finite.
    largest: float
    #: Number of values that are NaN or infinite.
    not_finite: int = 0

    @classmethod
    def of(cls, tensor: Array) -> TensorSamples:
        """Sample a tensor of numbers or booleans."""
        sizes = np.abs(tensor.astype(np.float32, copy=False))
        not_finite = 0
        if not np.isfinite(sizes.max(initial=0.0)):  # max() is NaN if any value is
            finite = np.isfinite(sizes)
            not_finite = int(np.count_nonzero(~finite))
            sizes = sizes[finite]
        values = np.ascontiguousarray(tensor.reshape(-1)[:: stride_over(tensor.shape)])
        return cls(
            shape=tensor.shape,
            values=values.astype(np.float32),
            mean_absolute=float(sizes.mean(dtype=np.float64)) if sizes.size else 0.0,
            largest=float(sizes.max(initial=0.0)),
            not_finite=not_finite,
        )

    def figures(self) -> dict[str, Any]:
        """Return everything but the values, for JSON."""
        return {
            "shape": list(self.shape),
            "mean_absolute": self.mean_absolute,
            "largest": self.largest,
            "not_finite": self.not_finite,
        }

    @classmethod
    def from_figures(cls, figures: Mapping[str, Any], values: Array) -> TensorSamples:
        """Restore samples from what `figures` returned and their values."""
        return cls(**{**figures, "shape": tuple(figures["shape"])}, values=values)

    def distance(self, found: TensorSamples) -> float:
        """Return how far `found` is from this reference, relative to the reference's scale.

        The larger of two: the root mean square of the difference over that of the values, and the
        relative difference of the mean absolute values. Infinite for another shape, and where more
        values than here are not finite.
        """
        if self.shape != found.shape or found.not_finite > self.not_finite:
            return float("inf")
        if self.values.shape != found.values.shape:  # of a file that somebody else wrote
            return float("inf")
        finite = np.isfinite(self.values) & np.isfinite(found.values)
        expected = self.values[finite].astype(np.float64)
        return max(
            _relative(_rms(found.values[finite] - expected), _rms(expected)),
            _relative(abs(found.mean_absolute - self.mean_absolute), self.mean_absolute),
        )


def stride_over(shape: tuple[int, ...]) -> int:
    """Return the step from one kept value to the next.

    It has no factor in common with any dimension, so every channel, row and column is sampled.
    """
    stride = max(1, -(-int(np.prod(shape)) // SAMPLES))
    while any(gcd(stride, size) > 1 for size in shape if size):
        stride += 1
    return stride


class SampleTap:
    """Samples the outputs of the stages that run while it listens to a graph."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, TensorSamples]] = {}
        self._of_queries: dict[str, dict[str, Array]] = {}

    @contextmanager
    def on(self, graph: StageGraph) -> Iterator[SampleTap]:
        """Listen to the runs within the block."""
        with graph.watched_by(self._keep):
            yield self

    def taken(self, queries: Sequence[int]) -> dict[str, dict[str, TensorSamples]]:
        """Return and forget the samples of the runs since the last call.

        queries: the rows to sample of OF_QUERIES. A detector's values for queries that find nothing
        may jump with the last bit of a number.
        """
        kept, of_queries = self._kept, self._of_queries
        self._kept, self._of_queries = {}, {}
        for stage, outputs in of_queries.items():
            chosen = {name: value[:, list(queries)] for name, value in outputs.items()}
            kept[stage] |= {name: TensorSamples.of(value) for name, value in chosen.items()}
        return kept

    def _keep(self, stage: str, outputs: Mapping[str, Array]) -> None:
        name = stage + AGAIN if stage in self._kept else stage
        self._kept[name] = {
            tensor: TensorSamples.of(value)
            for tensor, value in outputs.items()
            if tensor not in OF_QUERIES
        }
        self._of_queries[name] = {each: outputs[each] for each in OF_QUERIES if each in outputs}


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _relative(difference: float, scale: float) -> float:
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else float("inf")
