"""Every test of the node's parts holds it to the order of its locks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lock_order import LockWatch


@pytest.fixture(scope="session", autouse=True)
def lock_watch() -> Iterator[LockWatch]:
    """Yield the watch over all locks that tests and module fixtures make."""
    with LockWatch().installed() as watch:
        yield watch


@pytest.fixture(autouse=True)
def locks_in_order(lock_watch: LockWatch) -> Iterator[None]:
    before = len(lock_watch.violations)
    yield
    assert lock_watch.violations[before:] == []
