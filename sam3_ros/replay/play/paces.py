"""When the next message of a replay goes out: at its time, or once the node has answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from sam3_ros.replay.bag.bag import BagMessage
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.schedule import Scheduled
from sam3_ros.replay.under_test.diagnostics import NodeReport

# How long a node that has ended may go unnoticed, and how often /clock ticks in a pause.
_SLICE = 0.025
# So many of the node's accounts without news of an image say that it never came there.
_SILENT_REPORTS = 3

Check = Callable[[], None]
OnTime = Callable[[int], None]


class Pace(Protocol):
    """lateness: the worst delay of a message against its time so far, s."""

    lateness: float

    def wait_for(self, scheduled: Scheduled, camera: str | None) -> None:
        """Until it may go out. camera: whose image it is, None for another message or prompt."""

    def asked(self, is_under_way: Callable[[], bool]) -> None:
        """A prompt has gone out."""

    def resume(self, at: float) -> None:
        """The replay was halted, and goes on at this time."""


class RecordedPace:
    """As recorded, or so many times as fast. on_time is told the bag's time while it waits, ns."""

    def __init__(self, rate: float, check: Check, on_time: OnTime) -> None:
        self._rate = rate
        self._check = check
        self._on_time = on_time
        self._begin: float | None = None
        self.lateness = 0.0

    def wait_for(self, scheduled: Scheduled, camera: str | None) -> None:  # noqa: ARG002
        if self._begin is None:
            self.resume(scheduled.at)
        assert self._begin is not None
        due = self._begin + scheduled.at / self._rate
        self._check()
        while (left := due - time.monotonic()) > 0:
            self._on_time(scheduled.bag_ns - round(left * self._rate * NANOSECONDS))
            time.sleep(min(left, _SLICE))
            self._check()
        self.lateness = max(self.lateness, -left)

    def asked(self, is_under_way: Callable[[], bool]) -> None:
        pass

    def resume(self, at: float) -> None:
        self._begin = time.monotonic() - at / self._rate


class AnsweredPace:
    """An image goes out once the one before of its camera is answered, or known as dropped.

    A prompt goes out once all images are answered, and nothing more before the node has said what
    became of it and, if it is a click on an image, has answered it. So every replay is the same.
    """

    def __init__(
        self, client: ReplayClient, before: NodeReport, check: Check, patience: float
    ) -> None:
        """before: the node's account before the first image."""
        self._client = client
        self._before = before
        self._check = check
        self._patience = patience
        self._accounts_at: dict[str, int] = {}
        self.lateness = 0.0

    def wait_for(self, scheduled: Scheduled, camera: str | None) -> None:
        self._check()
        if not isinstance(scheduled.item, BagMessage):
            for name in self._client.cameras:
                self._wait(lambda name=name: self._is_back(name))
        elif camera is not None:
            self._wait(lambda: self._is_back(camera))
            self._accounts_at[camera] = self._client.reports_received

    def asked(self, is_under_way: Callable[[], bool]) -> None:
        self._wait(lambda: not is_under_way())

    def resume(self, at: float) -> None:
        pass

    def _is_back(self, camera: str) -> bool:
        log, account = self._client.cameras[camera].log, self._client.account
        if log.is_quiet or account is None:
            return log.is_quiet
        counts = account.of(camera).since(self._before.of(camera))
        accounts = self._client.reports_received - self._accounts_at.get(camera, 0)
        if counts.in_work or not accounts:
            return False
        all_known = counts.received == log.sent_count and counts.answered == log.mask_count
        return all_known or accounts > _SILENT_REPORTS

    def _wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + self._patience
        while not self._client.wait_until(done, 0.1) and time.monotonic() < end:
            self._check()
