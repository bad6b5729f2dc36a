"""The thread, what waits for it, and the account, without a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rclpy.clock import ClockType
from rclpy.logging import get_logger
from sensor_msgs.msg import Image

from sam3_ros.core.errors import ImageError, InferenceError, PromptError
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError, FrameLedger
from sam3_ros.ros.frames.out_of_memory import is_out_of_memory
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.work import Clicks, Frame
from sam3_ros.ros.frames.worker import InferenceWorker, RateLimit, described

MILLISECOND = 1_000_000


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str, **filters: Any) -> None:
        # The system's clock may be set back, which would silence the line till then.
        assert filters["throttle_time_source_type"].clock_type is ClockType.STEADY_TIME
        self.lines.append(line)

    error = warning


class Bench:
    """A worker whose answers wait for a signal and may raise."""

    def __init__(self, logger: object = None) -> None:
        self.ledgers = {"": FrameLedger(), "left": FrameLedger()}
        self.ledger, self.activity, self.log = self.ledgers[""], Activity(), Log()
        self.activity.switch(True)
        self.go, self.at_work = threading.Semaphore(0), threading.Semaphore(0)
        self.answered: list[int] = []
        self.given_up: list[str] = []
        self.error: Exception | None = None
        self.has_room = self.max_rate = self.now_ns = 0
        self.queue = FrameQueue()
        self.worker = InferenceWorker(
            self,
            self.queue,
            self.ledgers,
            self.activity,
            logger or self.log,
            lambda: self.max_rate,
            lambda: self.now_ns,
        )

    def answer(self, frame: Frame) -> None:
        self._wait_and_maybe_raise()
        with self.activity.publishing(frame.received):
            self.answered.append(frame.message.width)

    def answer_clicks(self, clicks: Clicks) -> int:
        self._wait_and_maybe_raise()
        with self.activity.publishing(clicks.received):
            self.answered.append(-clicks.stamp_ns)
        return len(clicks.prompts)

    def give_up(self, clicks: Clicks, reason: str) -> None:
        self.given_up += [reason] * len(clicks.prompts)

    def make_room(self) -> None:
        self.has_room += 1

    def _wait_and_maybe_raise(self) -> None:
        self.at_work.release()
        assert self.go.acquire(timeout=60)
        if self.error is not None:
            raise self.error

    def send(self, number: int, camera: str = "") -> None:
        """Give the worker a frame with this stamp, in ns."""
        image = Image(width=number)
        image.header.stamp.nanosec = number
        self.worker.receive(image, camera)

    def click(self, number: int, camera: str = "") -> None:
        self.queue.put_clicks((object(),), camera, number)

    def settled(self) -> dict[str, int]:
        end = time.monotonic() + 60
        while any(ledger.report().in_work for ledger in self.ledgers.values()):
            assert time.monotonic() < end
            time.sleep(0.002)
        return {k.value: n for k, n in self.ledger.report().dropped.items() if n}

    def wait_until(self, done) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end
            time.sleep(0.002)


@contextmanager
def bench_of(logger: object = None) -> Iterator[Bench]:
    bench = Bench(logger)
    yield bench
    bench.error = None
    for _ in range(100):
        bench.go.release()
    assert bench.worker.stop(60)


@pytest.fixture
def bench():
    with bench_of() as bench:
        yield bench


def test_the_newest_frame_wins_and_receiving_never_waits(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
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
        (MemoryError(), "out of memory"),
        (InferenceError("Failed to allocate memory for requested buffer"), "out of memory"),
        (FrameDroppedError(DropReason.NOBODY_LISTENS), "nobody listens"),
    ],
)
def test_an_error_costs_one_frame(bench, error, reason):
    bench.error = error
    bench.go.release()
    bench.send(1)
    assert bench.settled() == {reason: 1}
    assert bench.has_room == (reason == "out of memory")
    bench.error = None
    bench.go.release()
    bench.send(2)
    bench.settled()
    assert bench.answered == [2]
    lines, last_error = bench.log.lines, bench.worker.last_error
    if not isinstance(error, FrameDroppedError):
        assert type(error).__name__ in " ".join(lines) or str(error) in lines[0]
    assert (lines[0] in last_error) if lines else not last_error


@pytest.mark.parametrize("order", [1, -1])
def test_errors_of_both_severities_are_logged(order):
    """rclpy's own logger raises where one line of code logs with two."""
    errors = [ImageError("cut"), InferenceError("stage decoder failed")]
    with bench_of(get_logger("test_inference_worker")) as bench:
        for number, error in enumerate(errors[::order]):
            bench.error = error
            bench.go.release()
            bench.send(number)
            bench.settled()
            bench.wait_until(lambda text=str(error): text in bench.worker.last_error)
        bench.error = None
        bench.go.release()
        bench.send(3)
        bench.settled()
        assert bench.answered == [3]


def test_a_frame_in_work_when_the_node_is_deactivated_is_not_published(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
    bench.send(2)
    bench.activity.switch(False)
    bench.worker.discard()
    bench.send(3)
    bench.go.release()
    assert bench.settled() == {"not active": 3}
    assert bench.answered == []


def test_a_frame_in_work_is_too_old_for_a_node_that_is_active_again(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
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
    assert bench.at_work.acquire(timeout=60)
    bench.send(2)
    assert not bench.worker.stop(0.01)
    bench.send(3)
    bench.go.release()
    assert bench.worker.stop(60)
    assert bench.settled() == {"not active": 1, "superseded": 1}
    assert bench.answered == [1]


def test_a_closed_queue_gives_nothing():
    queue = FrameQueue()
    frame = Frame(Image())
    assert queue.put(frame) is None
    assert queue.close() == (frame,)
    assert queue.take() is None
    assert queue.put(frame) is frame
    with pytest.raises(PromptError):
        queue.put_clicks((object(),), "", 1)


def test_a_camera_that_floods_does_not_starve_the_other(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
    bench.send(2)
    bench.send(101, "left")
    for number in (3, 4):  # newer, and it came to wait earlier
        bench.send(number)
    for number in (5, 6):
        bench.go.release()
        assert bench.at_work.acquire(timeout=60)
        bench.send(number)
    for _ in range(3):
        bench.go.release()
    bench.settled()
    assert bench.answered[:3] == [1, 101, 4] or bench.answered[:3] == [1, 101, 5]
    assert bench.answered[-1] == 6
    assert bench.ledgers["left"].report().answered == 1


def test_clicks_go_first_and_those_on_one_frame_together(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
    bench.send(2)
    for stamp in (11, 12, 11):
        bench.click(stamp)
    for _ in range(4):
        bench.go.release()
    bench.settled()
    assert bench.answered == [1, -11, -12, 2]
    assert bench.worker.clicks_at_once == 3


def test_a_frame_that_a_click_names_is_not_replaced_by_a_newer_one(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
    bench.send(2)
    bench.click(2)
    assert bench.queue.stamps("") == [1, 2]
    bench.send(3)
    for _ in range(4):
        bench.go.release()
    assert bench.settled() == {}
    bench.wait_until(lambda: len(bench.answered) == 4)
    assert bench.answered == [1, 2, -2, 3]


def test_a_flood_of_clicks_is_refused_and_leaves_turns_to_the_frames(bench):
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
    bench.send(2)
    for stamp in range(100, 164):
        bench.click(stamp)
    with pytest.raises(PromptError, match="64 clicks wait"):
        bench.click(164)
    for _ in range(66):
        bench.go.release()
    bench.wait_until(lambda: len(bench.answered) == 66)
    assert bench.answered.index(2) == 9


def test_clicks_on_each_frame_of_a_camera_leave_turns_to_the_other(bench):
    """A detector that boxes every image sends clicks at the camera's own rate."""
    bench.send(1)
    assert bench.at_work.acquire(timeout=60)
    bench.send(1001, "left")
    for number in range(2, 32):
        bench.send(number)
        bench.click(number)
    bench.send(32)
    for _ in range(63):
        bench.go.release()
    assert bench.settled() == {}
    bench.wait_until(lambda: len(bench.answered) == 63)
    assert bench.answered.index(1001) == 9
    assert [each for each in bench.answered if 0 < each < 1001] == list(range(1, 33))


@pytest.mark.parametrize("error", [InferenceError("stage failed"), PromptError("too old")])
def test_a_click_that_fails_is_refused_with_the_reason(bench, error):
    bench.error = error
    bench.click(1)
    bench.go.release()
    bench.wait_until(lambda: bench.given_up)
    assert str(error) in bench.given_up[0]
    bench.error = None
    bench.go.release()
    bench.send(2)
    bench.settled()
    assert bench.answered == [2]


def test_clicks_that_wait_when_the_node_is_deactivated_are_refused(bench):
    bench.click(1)
    assert bench.at_work.acquire(timeout=60)
    bench.click(2)
    bench.activity.switch(False)
    bench.worker.discard()
    bench.go.release()
    bench.wait_until(lambda: len(bench.given_up) == 2)
    assert all("became inactive" in reason for reason in bench.given_up)
    assert bench.answered == []


def test_the_thread_survives_an_error_while_it_counts(bench, monkeypatch):
    monkeypatch.setattr(bench.ledger, "count_answered", lambda *_: 1 / 0)
    bench.go.release()
    bench.send(1)
    bench.wait_until(lambda: "ZeroDivisionError" in bench.worker.last_error)
    monkeypatch.undo()
    bench.go.release()
    bench.send(2)
    bench.wait_until(lambda: bench.answered == [1, 2])


def test_a_rate_limit_keeps_to_its_rate():
    limit = RateLimit(lambda: 20.0)
    admitted = [limit.admits(number / 30) for number in range(300)]
    assert sum(admitted) == pytest.approx(200, abs=2)
    assert [RateLimit(lambda: 0.0).admits(0.0) for _ in range(3)] == [True] * 3


def test_frames_beyond_the_rate_are_counted(bench):
    bench.max_rate = 0.01
    for number in range(4):
        bench.go.release()
        bench.send(number)
    assert bench.settled() == {"rate limit": 3}
    assert bench.answered == [0]


def test_the_latency_since_the_stamp_leaves_out_stamps_of_another_clock(bench):
    def answer(number: int, now_ns: int) -> None:
        bench.now_ns = now_ns
        bench.go.release()
        bench.send(number)
        bench.settled()

    answer(0, 5 * MILLISECOND)  # without a stamp
    answer(2 * MILLISECOND, MILLISECOND)  # of the future
    answer(1, 60_000 * MILLISECOND + 2)  # of another clock
    assert bench.ledger.report().since_stamp_median is None
    answer(MILLISECOND, 41 * MILLISECOND)
    assert bench.ledger.report().since_stamp_median == pytest.approx(0.04)
    answer(1, 60_000 * MILLISECOND + 1)
    answer(MILLISECOND, MILLISECOND)
    report = bench.ledger.report()
    assert report.since_stamp_median == pytest.approx(0.04)
    assert report.since_stamp_p95 == pytest.approx(54.004)
    assert report.answered == 6
    assert report.latency_p95 < 10


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


def test_a_cause_that_the_error_names_is_not_repeated():
    try:
        raise InferenceError("camera front: no image") from ImageError("no image")
    except InferenceError as error:
        assert described(error) == "camera front: no image"


@pytest.mark.parametrize(
    "text",
    [
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : BFCArena::AllocateRawInternal Failed to "
        "allocate memory for requested buffer of size 939524096",
        "std::bad_alloc",
        "CUDA failure 2: out of memory",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "error: (-4:Insufficient memory) Failed to allocate 8294400 bytes",
    ],
)
def test_out_of_memory_is_recognised_by_its_words_also_as_a_cause(text):
    failed = InferenceError("stage 'decoder' failed while it ran")
    assert not is_out_of_memory(failed)
    failed.__cause__ = RuntimeError(text)
    assert is_out_of_memory(failed)
    assert is_out_of_memory(MemoryError())
