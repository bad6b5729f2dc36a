"""When the next message of a replay is published: at its time, or once the node has answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from sam3_ros.replay.bag.bag import BagMessage
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.client.client import ReplayClient
from sam3_ros.replay.play.schedule import Scheduled
from sam3_ros.replay.under_test.diagnostics import NodeReport

# Seconds between two checks that the node still runs, and between two ticks of /clock in a pause.
_SLICE = 0.025
# An image that is missing from this many reports of the node never reached it.
_SILENT_REPORTS = 3

Check = Callable[[], None]
OnTime = Callable[[int], None]


class Pace(Protocol):
    """When the next message or prompt may be published."""

    #: The worst delay of a message against its time so far, s.
    lateness: float

    def wait_for(self, scheduled: Scheduled, camera: str | None) -> None:
        """Wait until it may be published. camera: of an image; None for all else."""

    def asked(self, is_pending: Callable[[], bool]) -> None:
        """Wait for a prompt that was published, as far as the pace requires."""

    def resume(self, at: float) -> None:
        """Continue a halted replay at this time."""


class RecordedPace:
    """The recorded times, or a multiple of that speed."""

    def __init__(self, rate: float, check: Check, on_time: OnTime) -> None:
        """Begin at the first message. on_time: gets the bag's time, ns, during waits."""
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

    def asked(self, is_pending: Callable[[], bool]) -> None:
        pass

    def resume(self, at: float) -> None:
        self._begin = time.monotonic() - at / self._rate


class AnsweredPace:
    """As fast as the node answers, so that every replay is the same.

    An image is published once the previous one of its camera is answered or known to be dropped.
    A prompt is published once all images are answered, and nothing more until the node has sent
    its status and, for a click on an image, has answered it.
    """

    def __init__(
        self, client: ReplayClient, before: NodeReport, check: Check, patience: float
    ) -> None:
        """Begin at once. before: the node's report before the first image."""
        self._client = client
        self._before = before
        self._check = check
        self._patience = patience
        self._reports_at: dict[str, int] = {}
        self.lateness = 0.0

    def wait_for(self, scheduled: Scheduled, camera: str | None) -> None:
        self._check()
        if not isinstance(scheduled.item, BagMessage):
            for name in self._client.cameras:
                self._wait(partial(self._is_back, name))
        elif camera is not None:
            self._wait(partial(self._is_back, camera))
            self._reports_at[camera] = self._client.reports_received

    def asked(self, is_pending: Callable[[], bool]) -> None:
        self._wait(lambda: not is_pending())

    def resume(self, at: float) -> None:
        pass

    def _is_back(self, camera: str) -> bool:
        """Return whether the camera's last image is answered, dropped or lost."""
        log, report = self._client.cameras[camera].log, self._client.node_report
        if log.is_quiet or report is None:
            return log.is_quiet
        counts = report.of(camera).since(self._before.of(camera))
        reports = self._client.reports_received - self._reports_at.get(camera, 0)
        if counts.in_work or not reports:
            return False
        all_known = counts.received == log.sent_count and counts.answered == log.mask_count
        return all_known or reports > _SILENT_REPORTS

    def _wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + self._patience
        while not self._client.wait_until(done, 0.1) and time.monotonic() < end:
            self._check()
