"""One way of a bundle on a device, with device sessions in the host's memory."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from device_sessions import REPLAYED, on_device

from sam3_ros.bench import setup
from sam3_ros.bench.matrix import way_bench
from sam3_ros.bench.matrix.cells import (
    FIRST_CLICK,
    GUARD,
    LOAD,
    NEXT_CLICK,
    TEXT,
    TRACKED,
    Cell,
    Way,
    results_of,
)
from sam3_ros.bench.matrix.way_bench import keys_of, measure_way
from sam3_ros.bench.scenarios import Workload
from sam3_ros.bench.setup import ObservedSessions, Setup
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.questions import TABLE
from sam3_ros.core.segmenter.pixels import resized
from sam3_ros.core.stages.plan import StageChoice
from sam3_ros.core.stages.session import Session, SessionOptions

ON_GPU = StageChoice("cuda", "fp32")


class Ticks:
    """A clock whose events are 1.5 ms apart."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def record(self) -> int:
        return next(self._ticks)

    def milliseconds_between(self, first: int, second: int) -> float:
        return 1.5 * (second - first)


@pytest.fixture
def workload() -> Workload:
    picture = resized(read_rgb(TABLE), ImageSize(1080, 1920), "bilinear_antialias")
    return Workload(picture, "red cube", prompts=8)


@pytest.fixture
def on_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open sessions of backend cuda on the host, with graphs, and time them by ticks."""

    def opened(path: Path, backend: str, options: SessionOptions) -> Session:
        assert (backend, options.cuda_graphs) == ("cuda", True)
        return on_device(path, REPLAYED)

    def observed() -> ObservedSessions:
        return ObservedSessions(lambda _: Ticks())

    monkeypatch.setattr(setup, "open_session", opened)
    monkeypatch.setattr(way_bench, "ObservedSessions", observed)


def cells_of(workload: Workload, seconds: float = 300.0) -> dict[str, Cell]:
    bench = Setup("tabletop", ON_GPU, threads=1, cuda_graphs=True)
    return {cell.key: cell for cell in measure_way(bench, workload, 1, time.monotonic() + seconds)}


@pytest.mark.long
@pytest.mark.usefixtures("on_card")
def test_the_guard_comes_first_then_every_answer(workload: Workload) -> None:
    cells = cells_of(workload)

    assert [*cells] == [LOAD, GUARD, *keys_of(Bundle.open("tabletop").capabilities)]
    assert cells[GUARD].remark.startswith("passed (mask IoU 1.0000")
    assert all(cell.ms and cell.ms > 0 for cell in cells.values())
    text, four = cells[TEXT].measured, cells["texts_4"].measured
    assert text is not None
    assert four is not None
    assert text.measurement.on_device["decoder"].median_ms == 1.5
    assert four.loads["image_trunk"].runs == 1
    column = results_of("tabletop", Way("cuda", "fp32", cuda_graphs=True), cells.values())
    assert column.image_ms == 2 * 1.5  # the trunk and the tracker's neck


@pytest.mark.usefixtures("on_card")
def test_after_the_deadline_nothing_is_measured(workload: Workload) -> None:
    cells = cells_of(workload, seconds=-1.0)

    assert cells[LOAD].ms is not None
    answers = keys_of(Bundle.open("tabletop").capabilities)
    assert all(cells[key].is_left_out for key in (GUARD, *answers))


@pytest.mark.usefixtures("on_card")
def test_an_answer_that_fails_leaves_the_others(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(*_: object) -> float:
        raise InferenceError("out of memory")

    def judged(_: object) -> Cell:
        return Cell(GUARD, remark="not here")

    monkeypatch.setattr(way_bench, "present_threshold", scored)
    monkeypatch.setattr(way_bench, "_judged", judged)
    cells = cells_of(workload)

    assert cells[TEXT].remark == "failed: out of memory"
    assert cells[FIRST_CLICK].ms is not None
    assert cells[NEXT_CLICK].ms is not None


def test_a_bundle_without_words_is_clicked(mobile_sam_bundle_path: Path) -> None:
    bundle = Bundle.open(mobile_sam_bundle_path)

    assert keys_of(bundle.capabilities) == (FIRST_CLICK, NEXT_CLICK)


def test_a_bundle_with_a_memory_is_tracked_by() -> None:
    keys = keys_of(("interactive", "video"))
    assert keys == (FIRST_CLICK, NEXT_CLICK, *TRACKED)


def test_each_object_is_what_it_adds_to_a_tracked_frame() -> None:
    way = Way("cuda", "fp16")
    cells = [Cell("tracked_1", 5.0), Cell("tracked_16", 50.0)]
    assert results_of("folder", way, cells).object_ms == 3.0
    assert results_of("folder", way, cells[:1]).object_ms is None
