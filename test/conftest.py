"""What every test may use: the bundles, made once a run, and the modules beside this file."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

# A shell starts what it runs in the background with SIGINT ignored, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
