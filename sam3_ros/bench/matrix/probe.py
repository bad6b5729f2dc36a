"""Finds out whether a backend starts on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sam3_ros.bench.instruments.chain_model import chain_model
from sam3_ros.core.backends.factory import open_session


def probe(backend: str, _: float) -> Iterator[str]:
    """Run the smallest model once, and yield the provider.

    Raises BackendError where the backend is not there, and what its engine raises.
    """
    with TemporaryDirectory(prefix="sam3_ros_probe_") as folder:
        path = Path(folder) / "probe.onnx"
        path.write_bytes(chain_model("Add", (1,), 1))
        session = open_session(path, backend)
        try:
            session.run({"a": np.zeros(1, np.float32), "b": np.zeros(1, np.float32)})
            yield session.provider
        finally:
            session.close()
