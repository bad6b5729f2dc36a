"""What every test may use: the bundles, made once a run, and the modules beside this file."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

# What was tried of the tests' own bundles is remembered there, for all workers, and not in the
# user's own cache.
_CACHE = Path(tempfile.gettempdir()) / f"sam3_ros-tests-{os.getuid()}"
_CACHE.mkdir(mode=0o700, exist_ok=True)
os.environ["XDG_CACHE_HOME"] = str(_CACHE)

# A shell starts what it runs in the background with SIGINT ignored, and nohup ignores SIGHUP; every
# child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a module on one worker if they share a fixture, such as a running node.

    Each worker would make its own. Other tests go one by one to whichever worker is free.
    """
    from xdist.scheduler import LoadScopeScheduling

    @cache
    def has_shared_fixture(file: str) -> bool:
        return 'scope="module"' in (config.rootpath / file).read_text(encoding="utf-8")

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if has_shared_fixture(file) else nodeid

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first, or a run on several workers would end with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Fail a test that leaves a signal handler changed: later tests would miss the signal."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.fixture(scope="session")
def sam3_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle with both parts, image in three stages, fp32 and fp16.

    Its parts are concept and interactive. Read only: copy to change.
    """
    from bundles import write_sam3_bundle

    target = tmp_path_factory.mktemp("bundles") / "colours"
    return write_sam3_bundle(target, precisions=("fp32", "fp16")).path


@pytest.fixture(scope="session")
def mobile_sam_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interactive bundle: longest side with padding, fused decoder.

    It has no concept part. Read only: copy to change.
    """
    from bundles import write_mobile_sam_bundle

    return write_mobile_sam_bundle(tmp_path_factory.mktemp("bundles") / "mobile_colours").path
