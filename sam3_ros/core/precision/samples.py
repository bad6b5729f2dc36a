"""A compact witness of what a stage computed: enough to say how far another computation lies.

A full-size model's tensors take up to 85 MB each; a witness of one takes 4 kB.
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

#: Values that are kept of a tensor, at most.
SAMPLES = 1024

#: Witnesses by stage, then by the output's canonical name.
StageSamples = Mapping[str, Mapping[str, "TensorSamples"]]
#: Tensors of one row for each query; canonical names.
OF_QUERIES = ("queries", "pred_boxes", "logits")


@dataclass(frozen=True, eq=False)
class TensorSamples:
    """values: f32 [n], evenly spread over a tensor of that shape; with the mean and the largest of
    the absolute values and the number of those that are not finite, of the whole tensor."""

    shape: tuple[int, ...]
    values: Array
    mean_absolute: float
    largest: float
    not_finite: int = 0

    @classmethod
    def of(cls, tensor: Array) -> TensorSamples:
        """Of a tensor of numbers or truth values."""
        sizes = np.abs(tensor.astype(np.float32, copy=False))
        not_finite = 0
        if not np.isfinite(sizes.max(initial=0.0)):  # the largest of a NaN and others is NaN
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
        """All but the values, for JSON."""
        return {
            "shape": list(self.shape),
            "mean_absolute": self.mean_absolute,
            "largest": self.largest,
            "not_finite": self.not_finite,
        }

    @classmethod
    def from_figures(cls, figures: Mapping[str, Any], values: Array) -> TensorSamples:
        """The witness that `figures` and its values were of."""
        return cls(**{**figures, "shape": tuple(figures["shape"])}, values=values)

    def distance(self, found: TensorSamples) -> float:
        """How far `found` is from this one, as a part of this one's own scale.

        The root mean square of the difference over that of the values; or the difference of the
        mean absolute values, where that is more. Infinite for another shape, and for more values
        than here that are not finite.
        """
        if self.shape != found.shape or found.not_finite > self.not_finite:
            return float("inf")
        sound = np.isfinite(self.values) & np.isfinite(found.values)
        expected = self.values[sound].astype(np.float64)
        apart = _rms(found.values[sound] - expected)
        return max(
            _part(apart, _rms(expected)),
            _part(abs(found.mean_absolute - self.mean_absolute), self.mean_absolute),
        )


def stride_over(shape: tuple[int, ...]) -> int:
    """From one kept value to the next.

    Without a factor in common with any dimension, so that every channel, row and column is seen.
    """
    stride = max(1, -(-int(np.prod(shape)) // SAMPLES))
    while any(gcd(stride, size) > 1 for size in shape if size):
        stride += 1
    return stride


class SampleTap:
    """Keeps witnesses of what runs while it listens to a graph."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, TensorSamples]] = {}
        self._of_queries: dict[str, dict[str, Array]] = {}

    @contextmanager
    def on(self, graph: StageGraph) -> Iterator[SampleTap]:
        """Listen to the runs within the block."""
        with graph.watched_by(self._keep):
            yield self

    def taken(self, queries: Sequence[int]) -> dict[str, dict[str, TensorSamples]]:
        """Those of the runs since it was last asked.

        queries: the ones that matter. What a detector says of the others, which find nothing, may
        jump with the last bit of a number.
        """
        kept, of_queries = self._kept, self._of_queries
        self._kept, self._of_queries = {}, {}
        for stage, outputs in of_queries.items():
            chosen = {name: value[:, list(queries)] for name, value in outputs.items()}
            kept[stage] |= {name: TensorSamples.of(value) for name, value in chosen.items()}
        return kept

    def _keep(self, stage: str, outputs: Mapping[str, Array]) -> None:
        self._kept[stage] = {
            name: TensorSamples.of(value)
            for name, value in outputs.items()
            if name not in OF_QUERIES
        }
        self._of_queries[stage] = {name: outputs[name] for name in OF_QUERIES if name in outputs}


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _part(difference: float, scale: float) -> float:
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else float("inf")
