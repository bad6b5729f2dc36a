"""Is a file that was just made sound?"""

from __future__ import annotations

from pathlib import Path

import onnx

from sam3_ros.core.errors import ExportError


def require_valid(path: Path) -> None:
    """Raise ExportError unless ONNX's checker, types and shapes included, finds the file sound."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # checker and shape inference have errors of their own
        raise ExportError(f"{path.name} came out as invalid ONNX: {error}") from error
