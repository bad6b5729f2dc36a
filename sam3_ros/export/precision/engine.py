"""ONNX Runtime on the CPU, for looking at files while they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from sam3_ros.core.errors import ExportError

_ONLY_ERRORS = 3


def open_engine(path: Path, optimised: bool = True) -> Any:
    """An onnxruntime.InferenceSession. Raises ExportError where the file cannot be loaded.

    optimised=False runs the graph node by node, in the order in which they are written.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_ERRORS
    options.enable_cpu_mem_arena = False  # a few runs each: memory matters more than speed
    if not optimised:
        level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.graph_optimization_level = level
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED  # as they stand
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the engine's own errors have no common base
        raise ExportError(f"ONNX Runtime cannot load {path}: {error}") from error
