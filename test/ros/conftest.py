"""Every test of the node's parts holds it to the order of its locks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lock_order import LockWatch


@pytest.fixture(autouse=True)
def lock_watch() -> Iterator[LockWatch]:
    """What watches the locks that are made in the test."""
    with LockWatch().installed() as watch:
        yield watch
    assert watch.violations == []
