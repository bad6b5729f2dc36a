"""What every test may use: the bundles, made once a run, and the modules beside this file."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

# A shell starts what it runs in the background with SIGINT ignored, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep tests on one worker that share a fixture of their module, such as a running node.

    `make test` runs several workers with --dist loadgroup; each would make its own.
    """
    if isinstance(item, pytest.Function):
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(found[-1].scope == "module" for found in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first, or a run on several workers would end with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Fail a test that leaves a signal handled in another way: later ones would miss theirs."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.fixture(scope="session")
def sam3_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Concept and interactive, image in three stages, fp32 and fp16. Read only: copy to change."""
    from bundles import write_sam3_bundle

    target = tmp_path_factory.mktemp("bundles") / "colours"
    return write_sam3_bundle(target, precisions=("fp32", "fp16")).path


@pytest.fixture(scope="session")
def mobile_sam_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interactive only, longest side with padding, fused decoder. Read only: copy to change."""
    from bundles import write_mobile_sam_bundle

    return write_mobile_sam_bundle(tmp_path_factory.mktemp("bundles") / "mobile_colours").path
