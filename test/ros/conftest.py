"""Every test of the node's parts holds it to the order of its locks; some share a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lock_order import LockWatch
from ros_domains import own_domain
from small_pipeline import SmallPipeline


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


@pytest.fixture(scope="module")
def made_pipeline(sam3_bundle_path: Path) -> Iterator[SmallPipeline]:
    with own_domain() as domain:
        pipeline = SmallPipeline(domain, sam3_bundle_path)
        yield pipeline
        pipeline.close()


@pytest.fixture
def pipeline(made_pipeline: SmallPipeline) -> SmallPipeline:
    """Return the module's pipeline as if it had just been made."""
    made_pipeline.begin_anew()
    return made_pipeline
