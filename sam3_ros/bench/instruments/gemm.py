"""Measures the CPU's peak in matrix products with the sessions that run the stages.

The same engine with the same threads does nothing but arithmetic: a chain of square MatMuls.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sam3_ros.bench.instruments.chain_model import chain_model
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.stages.session import Array, OpenSession, Session, SessionOptions

_SIDE, _LINKS = 1536, 4  # large enough to reach the peak
REPEATS, SECONDS = 3, 0.5


def peak_gflops(
    backend: str, options: SessionOptions, open_with: OpenSession = open_session
) -> float:
    """Return the GFLOP a second of the best run.

    For backends on the CPU only: copies to a device and back would count as arithmetic. Raises
    BackendError as open_session does.
    """
    with TemporaryDirectory(prefix="sam3_ros_gemm_") as folder:
        path = Path(folder) / "gemm.onnx"
        path.write_bytes(chain_model("MatMul", (_SIDE, _SIDE), _LINKS))
        session = open_with(path, backend, options)
        try:
            rows = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), np.float32)
            best = _best_seconds(session, {"a": rows, "b": rows / np.float32(_SIDE**0.5)})
        finally:
            session.close()
    return 2 * _SIDE**3 * _LINKS / best / 1e9


def _best_seconds(session: Session, feeds: dict[str, Array]) -> float:
    session.run(feeds)
    found: list[float] = []
    while len(found) < REPEATS or sum(found) < SECONDS:
        start = time.perf_counter()
        session.run(feeds)
        found.append(time.perf_counter() - start)
    return min(found)
