"""Completes futures that somebody else may have given up."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


def settle(future: Future[_T], result: _T) -> None:
    """Complete a future, unless it is complete or cancelled already."""
    with suppress(InvalidStateError):
        future.set_result(result)
