"""What every test may use: the bundles, made once a run, and the modules beside this file."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

# A shell starts what it runs in the background with SIGINT ignored, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prepare the tests for workers side by side (`make test` runs them with --dist loadgroup).

    Tests that share a fixture of their module, such as a running node, stay on one worker, or each
    worker would make its own. Long ones start first, or the run would end with one busy worker.
    """
    for item in items:
        if any(definition.scope == "module" for definition in _fixtures(item)):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def _fixtures(item: pytest.Item) -> list[pytest.FixtureDef[object]]:
    """Return the fixtures that a test uses, those of pytest's own aside."""
    definitions = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return [found[-1] for found in definitions.values()]


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
