"""What is wrong around the node, whatever its state: a namesake, or a clock that does not go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from sam3_ros.ros.health.network import has_network

CLOCK_TOPIC = "/clock"
# Listing the nodes copies the names of all of them.
_SECONDS_BETWEEN_LOOKS = 2.0
# A simulation takes a while to start, and a slow one's clock comes seldom.
_SECONDS_WITHOUT_CLOCK = 5.0
# How long Fast DDS keeps a participant that was killed.
_LEASE_SECONDS = 20


@dataclass(frozen=True)
class Surroundings:
    """What /diagnostics reports of them."""

    #: Whose time it is, and whether it goes.
    clock: str = "system"
    #: What is wrong, in words; empty if nothing is.
    remarks: tuple[str, ...] = ()


class SurroundingsWatch:
    """Looks around at each message on /diagnostics; logs when something begins and ends."""

    def __init__(self, node: Node, now: Callable[[], float] = time.monotonic) -> None:
        """now: steady, s."""
        self._node, self._now, self._logger = node, now, node.get_logger()
        self._next_look = now()
        self._namesakes = 0
        self._is_alone = not has_network()
        self._clock = _ClockWatch(now)
        self._logged: dict[str, str] = {}

    def look(self) -> Surroundings:
        """Return what is found now."""
        found = dict(self._found())
        self._log(found)
        return Surroundings(self._clock.words, tuple(found.values()))

    def _found(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong: its kind, and the words."""
        if self._now() >= self._next_look:
            self._next_look = self._now() + _SECONDS_BETWEEN_LOOKS
            self._namesakes = _namesakes(self._node)
        if self._namesakes:
            name = self._node.get_fully_qualified_name()
            yield (
                "namesake",
                f"another node {name} is in this ROS domain (or was killed in the last "
                f"{_LEASE_SECONDS} s): both hear the same prompts and publish the same topics; "
                "start one of them with another name (-r __node:=NAME)",
            )
        if self._is_alone:
            yield (
                "network",
                "no network interface was up when this node started, not even the loopback, so "
                "nobody hears it: `ip link set lo up`, then start it again",
            )
        clock: Any = self._node.get_clock()  # a ROSClock
        time_ns = clock.now().nanoseconds if clock.ros_time_is_active else None
        problem = self._clock.problem(time_ns, lambda: self._node.count_publishers(CLOCK_TOPIC))
        if problem:
            yield "clock", problem

    def _log(self, found: dict[str, str]) -> None:
        for kind, words in found.items():
            if kind not in self._logged:
                self._logger.warning(words)
        for kind in self._logged.keys() - found.keys():
            self._logger.info(_ENDED[kind])
        self._logged = found


_ENDED = {
    "namesake": "the other node of this name has gone",
    "clock": "the clock is as it should be again",
}


class _ClockWatch:
    """Tells a clock of ROS that has never come, or whose publisher has gone, from a paused one."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._time_ns: int | None = None
        self._since = now()
        self.words = "system"

    def problem(self, time_ns: int | None, publishers: Callable[[], int]) -> str:
        """Return what is wrong, empty if nothing is.

        time_ns: of ROS, 0 before the first message on /clock; None for the system's clock.
        publishers: counts those of /clock.
        """
        if time_ns != self._time_ns:
            self._time_ns, self._since = time_ns, self._now()
        if time_ns is None:
            self.words = "system"
            return ""
        still = self._now() - self._since
        if still < _SECONDS_WITHOUT_CLOCK:
            self.words = CLOCK_TOPIC if time_ns else f"{CLOCK_TOPIC}, no time yet"
            return ""
        nobody = publishers() == 0
        if time_ns == 0:
            self.words = f"{CLOCK_TOPIC}, no time for {still:.0f} s"
            who = "nobody publishes it" if nobody else "though there is a publisher"
            return (
                f"use_sim_time is set, and no time has come on {CLOCK_TOPIC} ({who}): images are "
                "answered by their own stamps, but /diagnostics is stamped 0 and `stamp to mask` "
                "is not known; publish the clock, or set use_sim_time to false"
            )
        self.words = f"{CLOCK_TOPIC}, stands still for {still:.0f} s"
        if not nobody:
            return ""  # a simulation that is paused
        return f"nobody publishes {CLOCK_TOPIC} any more: the time of ROS stands still"


def _namesakes(node: Any) -> int:
    """Return how many other nodes of this name ROS knows of."""
    own = (node.get_name(), node.get_namespace())
    return max(0, node.get_node_names_and_namespaces().count(own) - 1)
