"""Times on a GPU: an event before and one after each run, read when the answer is there.

A run returns to the host before the GPU has done it, so the host's clock times the launch alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from sam3_ros.core.backends.device_stream import device_stream


class DeviceClock(Protocol):
    """Marks points in the work of a device, and tells the time between two of them."""

    def record(self) -> Any:
        """Return an event that happens when all work given so far is done."""
        ...

    def milliseconds_between(self, first: Any, second: Any) -> float:
        """Wait for both events; return the time on the device from the first to the second."""
        ...


#: Finds the clock of a device by its name, such as "cuda:0"; None where it has none.
ClockOf: TypeAlias = Callable[[str], "DeviceClock | None"]


def device_clock(device: str) -> DeviceClock | None:
    """Return the clock of a device; None for one that no clock is known of."""
    found = re.fullmatch(r"cuda:(\d+)", device)
    return device_stream(int(found[1])) if found else None
