"""ONNX Runtime's telemetry, which its wheels have switched on, is switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOADED = """
from sam3_ros import Segmenter
with Segmenter.load("tabletop"):
    pass
"""


def test_a_model_that_is_loaded_leaves_no_telemetry(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOADED], env=environment, check=True)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_who_wants_it_has_it() -> None:
    asked = "import os, sam3_ros; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == "0\n"
