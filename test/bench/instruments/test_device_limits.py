"""The limits of a card, measured with device sessions in the host's memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from device_sessions import on_device

from sam3_ros.bench.instruments.chain_model import Element, chain_model
from sam3_ros.bench.instruments.device_limits import (
    BANDWIDTH,
    PRECISIONS,
    ChainSizes,
    measure_device,
)
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.stages.session import Session, SessionOptions

FEW = ChainSizes(side=48, products=3, elements=3000, sums=2, repeats=1, seconds=1e-9)


class Card:
    """An OpenSession of device sessions that knows no TF32 and records what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        self.asked.append((backend, options.file_precision))
        if options.compute != "stored":
            raise PrecisionError(f"no card computes in {options.compute}")
        return on_device(path)


def test_every_limit_is_measured_and_what_is_not_has_a_reason() -> None:
    card = Card()
    figures = measure_device("cuda", 0, card, FEW)

    assert [*figures.gemm_gflops] == ["fp16", "fp32"]
    assert min(*figures.gemm_gflops.values(), figures.bandwidth_gb_s or 0) > 0
    assert dict(figures.not_measured) == {"tf32": "no card computes in tf32"}
    assert figures.limits("fp16") is not None
    assert card.asked.count(("cuda", "fp16")) == 2  # what copies to the card, and the chain
    assert figures.document()["not_measured"] == dict(figures.not_measured)


def test_a_card_of_tensorrt_is_measured_through_cuda() -> None:
    card = Card()
    measure_device("tensorrt", 0, card, FEW)

    assert {backend for backend, _ in card.asked} == {"cuda"}


def test_without_a_card_there_is_a_reason_for_everything() -> None:
    figures = measure_device("cuda", 0, open_session, FEW)

    assert figures.gemm_gflops == {}
    assert figures.bandwidth_gb_s is None
    assert {*figures.not_measured} == {*PRECISIONS, BANDWIDTH}
    assert "CUDAExecutionProvider" in figures.not_measured["fp32"]


def test_a_backend_whose_tensors_are_on_the_host_is_told() -> None:
    figures = measure_device("cpu", 0, open_session, FEW)

    assert "no tensors on its device" in figures.not_measured["fp32"]


@pytest.mark.parametrize("element", list(Element))
def test_the_mean_of_a_chain_of_sums_is_a_sound_model(tmp_path: Path, element: Element) -> None:
    path = tmp_path / "sums.onnx"
    path.write_bytes(chain_model("Add", (4, 8), 3, element, averaged=True))
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    dtype = np.float16 if element == Element.FLOAT16 else np.float32
    a, b = np.full((4, 8), 2, dtype), np.full((4, 8), 0.5, dtype)

    found = open_session(path, "cpu", SessionOptions(threads=1)).run({"a": a, "b": b})["c"]
    assert (found.shape, float(found[0, 0])) == ((1, 1), 3.5)
