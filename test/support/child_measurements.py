"""Measurements for a process of their own, of which some fail; a child imports this module."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from sam3_ros.core.errors import BackendError


def count(most: int, deadline: float) -> Iterator[int | float]:
    yield from range(most)
    yield deadline


def fail(_: float) -> Iterator[int]:
    yield 1
    raise BackendError("no GPU\nhere")


def fail_otherwise(_: float) -> Iterator[int]:
    yield 1
    raise ValueError("bad number")


def crash(_: float) -> Iterator[int]:
    yield 1
    os._exit(7)


def hang(_: float) -> Iterator[int]:
    yield 1
    time.sleep(60)
