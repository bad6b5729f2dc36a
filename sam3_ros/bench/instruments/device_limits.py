"""Measures what a GPU can do at most, through the engine that runs the stages there.

Chains of products and of sums run on tensors that lie in the GPU's memory. Only the mean of the
last one comes back, and by then everything has been computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from sam3_ros.bench.instruments.chain_model import Element, chain_model
from sam3_ros.bench.instruments.roofline import MachineLimits
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.backends.machine import gpu_name
from sam3_ros.core.errors import BackendError, Sam3RosError
from sam3_ros.core.stages.session import (
    Array,
    DeviceSession,
    OpenSession,
    SessionOptions,
    Tensor,
    on_host,
)

#: In which the card's products are measured. TF32 rounds the inputs of fp32 products to 10 bits.
PRECISIONS = ("fp16", "tf32", "fp32")
BANDWIDTH = "bandwidth"
# TensorRT would build an engine of each chain; the card is the same.
_MEASURED_THROUGH: Mapping[str, str] = MappingProxyType({"tensorrt": "cuda"})
_BLOCK = 1024


@dataclass(frozen=True)
class ChainSizes:
    """How much is computed; by default so much that a launch is a hundredth of it."""

    #: Rows and columns of a product's matrices.
    side: int = 8192
    #: Products in a chain.
    products: int = 4
    #: Elements of a sum's arrays, f32: more than any cache holds.
    elements: int = 2**26
    #: Sums in a chain.
    sums: int = 16
    #: Least repeats, and the seconds after which no more are begun.
    repeats: int = 3
    seconds: float = 0.3


@dataclass(frozen=True)
class DeviceFigures:
    """A card's limits."""

    #: As its driver tells it.
    name: str
    #: Peak of matrix products, GFLOP a second, by precision.
    gemm_gflops: Mapping[str, float] = field(default_factory=dict)
    #: Of its memory, 1e9 bytes a second; None where it was not measured.
    bandwidth_gb_s: float | None = None
    #: Why a precision, or BANDWIDTH, was not measured.
    not_measured: Mapping[str, str] = field(default_factory=dict)

    def limits(self, precision: str) -> MachineLimits | None:
        """Return the limits of a stage in this precision; None where they were not measured."""
        gflops = self.gemm_gflops.get(precision)
        if gflops is None or self.bandwidth_gb_s is None:
            return None
        return MachineLimits(gflops, self.bandwidth_gb_s)

    def better_of(self, other: DeviceFigures) -> DeviceFigures:
        """Take the better of each figure: other load can only have made one worse."""
        gemm = dict(other.gemm_gflops)
        for precision, gflops in self.gemm_gflops.items():
            gemm[precision] = max(gflops, gemm.get(precision, 0.0))
        found = [each for each in (self.bandwidth_gb_s, other.bandwidth_gb_s) if each is not None]
        missing = {**self.not_measured, **other.not_measured}
        left = {
            what: why
            for what, why in missing.items()
            if what not in gemm and not (what == BANDWIDTH and found)
        }
        return DeviceFigures(self.name, gemm, max(found, default=None), left)

    def document(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "name": self.name,
            "gemm_gflops": dict(self.gemm_gflops),
            "bandwidth_gb_s": self.bandwidth_gb_s,
            "not_measured": dict(self.not_measured),
        }


def measure_device(
    backend: str,
    device_id: int = 0,
    open_with: OpenSession = open_session,
    sizes: ChainSizes | None = None,
) -> DeviceFigures:
    """Measure the card of a backend. What cannot be measured is told, with the reason."""
    sizes = sizes or ChainSizes()
    chains = _Chains(_MEASURED_THROUGH.get(backend, backend), device_id, open_with, sizes)
    found = {
        precision: _figure_or_reason(partial(chains.gflops, precision)) for precision in PRECISIONS
    }
    found[BANDWIDTH] = _figure_or_reason(chains.gb_s)
    figures = {what: each for what, each in found.items() if isinstance(each, float)}
    reasons = {what: each for what, each in found.items() if isinstance(each, str)}
    gb_s = figures.pop(BANDWIDTH, None)
    return DeviceFigures(gpu_name(device_id), figures, gb_s, reasons)


class _Chains:
    """Chains of one operator on a device."""

    def __init__(
        self, backend: str, device_id: int, open_with: OpenSession, sizes: ChainSizes
    ) -> None:
        self._backend = backend
        self._device_id = device_id
        self._open = open_with
        self._sizes = sizes

    def gflops(self, precision: str) -> float:
        """Return the GFLOP a second of matrix products in a precision."""
        side, links = self._sizes.side, self._sizes.products
        element = Element.FLOAT16 if precision == "fp16" else Element.FLOAT
        numbers = _numbers((side, side))
        # So that the products neither grow nor vanish: of equal blocks a sum has equal parts.
        scaled = numbers / np.float32(side / min(side, _BLOCK) ** 0.5)
        seconds = self._seconds("MatMul", links, precision, element, numbers, scaled)
        return 2 * side**3 * links / seconds / 1e9

    def gb_s(self) -> float:
        """Return 1e9 bytes a second of sums: each reads two arrays and writes one."""
        links = self._sizes.sums
        numbers = _numbers((self._sizes.elements,))
        seconds = self._seconds("Add", links, "fp32", Element.FLOAT, numbers, numbers)
        read_for_the_mean = numbers.nbytes
        return (3 * links * numbers.nbytes + read_for_the_mean) / seconds / 1e9

    def _seconds(
        self, operator: str, links: int, precision: str, element: Element, a: Array, b: Array
    ) -> float:
        dtype = np.float16 if element == Element.FLOAT16 else np.float32
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="sam3_ros_limits_")))
            copied = chain_model("Add", a.shape, 1, element)
            chain = chain_model(operator, a.shape, links, element, averaged=True)
            copier = stack.enter_context(self._session(folder / "copy.onnx", copied, precision))
            feeds = {
                name: copier.run_on_device({"a": each, "b": np.zeros(a.shape, dtype)})["c"]
                for name, each in (("a", a.astype(dtype)), ("b", b.astype(dtype)))
            }
            session = stack.enter_context(self._session(folder / "chain.onnx", chain, precision))
            return self._best_seconds(session, feeds)

    @contextmanager
    def _session(self, path: Path, model: bytes, precision: str) -> Iterator[DeviceSession]:
        path.write_bytes(model)
        options = SessionOptions(
            device_id=self._device_id,
            file_precision="fp16" if precision == "fp16" else "fp32",
            compute="tf32" if precision == "tf32" else "stored",
        )
        session = self._open(path, self._backend, options)
        try:
            if not hasattr(session, "run_on_device"):
                raise BackendError(f"backend {self._backend!r} leaves no tensors on its device")
            yield cast(DeviceSession, session)
        finally:
            session.close()

    def _best_seconds(self, session: DeviceSession, feeds: Mapping[str, Tensor]) -> float:
        on_host(session.run_on_device(feeds)["c"])
        found: list[float] = []
        while len(found) < self._sizes.repeats or sum(found) < self._sizes.seconds:
            start = time.perf_counter()
            on_host(session.run_on_device(feeds)["c"])
            found.append(time.perf_counter() - start)
        return min(found)


def _numbers(shape: tuple[int, ...]) -> Array:
    """Return normal random numbers, f32: one block again and again, as drawing takes long."""
    sides = [min(side, _BLOCK) for side in shape]
    block = np.random.default_rng(0).standard_normal(sides, np.float32)
    times = [-(-side // part) for side, part in zip(shape, sides, strict=True)]
    whole: Array = np.tile(block, times)[tuple(slice(side) for side in shape)]
    assert whole.size == prod(shape)
    return whole


def _figure_or_reason(measure: Callable[[], float]) -> float | str:
    try:
        return round(measure(), 2)
    except Exception as error:  # the engine's own exceptions come through as they are
        told = str(error) if isinstance(error, Sam3RosError) else f"{type(error).__name__}: {error}"
        return " ".join(told.split())
