"""The slot, the thread and the account, without a model."""

from __future__ import annotations

import threading
import time

import pytest
from sensor_msgs.msg import Image

from sam3_ros.core.errors import ImageError, InferenceError
from sam3_ros.ros.activity import Activity
from sam3_ros.ros.frame_ledger import DropReason, FrameDroppedError, FrameLedger
from sam3_ros.ros.frame_slot import Frame, NewestFrameSlot
from sam3_ros.ros.inference_worker import InferenceWorker, described


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str, **_: float) -> None:
        self.lines.append(line)

    error = warning


class Bench:
    """A worker whose answers wait for a signal and may raise."""

    def __init__(self) -> None:
        self.ledger, self.activity, self.log = FrameLedger(), Activity(), Log()
        self.activity.switch(True)
        self.go, self.at_work = threading.Semaphore(0), threading.Semaphore(0)
        self.answered: list[int] = []
        self.error: Exception | None = None
        self.worker = InferenceWorker(self.answer, self.ledger, self.activity, self.log)

    def answer(self, frame: Frame) -> None:
        self.at_work.release()
        assert self.go.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        with self.activity.publishing(frame.received):
            self.answered.append(frame.message.width)

    def send(self, number: int) -> None:
        self.worker.receive(Image(width=number))

    def settled(self) -> dict[str, int]:
        end = time.monotonic() + 10
        while self.ledger.report().in_work:
            assert time.monotonic() < end
            time.sleep(0.002)
        return {k.value: n for k, n in self.ledger.report().dropped.items() if n}


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    for _ in range(10):
        bench.go.release()
    assert bench.worker.stop(10)


def test_the_newest_frame_wins_and_receiving_never_waits(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=10)
    for number in (2, 3, 4):
        bench.send(number)
    bench.go.release()
    bench.go.release()
    assert bench.settled() == {"superseded": 2}
    assert bench.answered == [1, 4]
    assert bench.ledger.report().answered == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("cut"), "undecodable"),
        (InferenceError("stage decoder failed"), "inference failed"),
        (MemoryError(), "inference failed"),
        (FrameDroppedError(DropReason.NOBODY_LISTENS), "nobody listens"),
    ],
)
def test_an_error_costs_one_frame(bench, error, reason):
    bench.error = error
    bench.go.release()
    bench.send(1)
    assert bench.settled() == {reason: 1}
    bench.error = None
    bench.go.release()
    bench.send(2)
    bench.settled()
    assert bench.answered == [2]
    told = isinstance(error, FrameDroppedError) or type(error).__name__ in " ".join(bench.log.lines)
    assert told or str(error) in bench.log.lines[0]


def test_a_frame_in_work_when_the_node_is_deactivated_is_not_published(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=10)
    bench.send(2)
    bench.activity.switch(False)
    bench.worker.discard()
    bench.send(3)
    bench.go.release()
    assert bench.settled() == {"not active": 3}
    assert bench.answered == []


def test_a_frame_in_work_is_too_old_for_a_node_that_is_active_again(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=10)
    bench.activity.switch(False)
    bench.worker.discard()
    bench.activity.switch(True)
    bench.send(2)
    bench.go.release()
    bench.go.release()
    assert bench.settled() == {"not active": 1}
    assert bench.answered == [2]


def test_stopping_waits_for_the_frame_in_work_but_not_for_ever(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=10)
    bench.send(2)
    assert not bench.worker.stop(0.01)
    bench.send(3)
    bench.go.release()
    assert bench.worker.stop(10)
    assert bench.settled() == {"not active": 1, "superseded": 1}
    assert bench.answered == [1]


def test_a_closed_slot_gives_nothing():
    slot = NewestFrameSlot()
    frame = Frame(Image())
    assert slot.put(frame) is None
    assert slot.close() is frame
    assert slot.take() is None
    assert slot.put(frame) is frame


def test_latencies():
    ledger = FrameLedger()
    assert ledger.report().latency_median is None
    for milliseconds in range(1, 101):
        ledger.count_received()
        ledger.count_answered(milliseconds / 1000)
    report = ledger.report()
    assert report.latency_median == pytest.approx(0.0505)
    assert report.latency_p95 == pytest.approx(0.09505)


def test_an_error_is_described_with_its_cause():
    try:
        raise InferenceError("stage decoder failed") from RuntimeError("out of memory")
    except InferenceError as error:
        text = described(error)
    assert text == "stage decoder failed (caused by RuntimeError: out of memory)"
