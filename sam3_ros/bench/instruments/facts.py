"""What a measurement depends on: the card with its driver, the CPU, and the libraries' versions."""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sam3_ros.bench.instruments.cores import usable_cores
from sam3_ros.bench.setup import is_on_gpu
from sam3_ros.core.backends.gpu_libraries import load_gpu_libraries
from sam3_ros.core.backends.machine import UNKNOWN, cpu_model, engine_versions, gpu_name
from sam3_ros.core.stages.plan import StageChoice

_ASKED = ("name", "driver_version", "compute_cap", "memory.total")
_DRIVER = Path("/proc/driver/nvidia/version")
# cuDNN's major version for the CUDA of each ONNX Runtime that we support.
_CUDNN = ("libcudnn.so.9", "libcudnn.so.8")
_SECONDS = 10.0

AskDriver = Callable[[int], str]


def facts_of(backend: str, device_id: int = 0) -> dict[str, str]:
    """Return what is known of the machine and of what runs the stages, by name."""
    facts = {
        "CPU": f"{cpu_model()}, {usable_cores()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
    if is_on_gpu(StageChoice(backend)):
        facts = {**card_facts(device_id), **facts, **_library_facts()}
    return {**facts, **engine_versions(backend)}


def _ask_nvidia_smi(device_id: int) -> str:
    query = f"--query-gpu={','.join(_ASKED)}"
    asked = ["nvidia-smi", query, "--format=csv,noheader", f"--id={device_id}"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return done.stdout


def card_facts(
    device_id: int, ask: AskDriver = _ask_nvidia_smi, driver: Path = _DRIVER
) -> dict[str, str]:
    """Return the card's name, driver, compute capability and memory, as far as they are told.

    ask: returns what nvidia-smi prints; where that fails, as on a Jetson, the kernel is asked.
    """
    try:
        told = [each.strip() for each in ask(device_id).strip().splitlines()[0].split(",")]
        name, version, capability, memory = told
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        found = re.search(r"Kernel Module.*?(\d+\.[\d.]+)", _read(driver))
        return {"card": gpu_name(device_id), "driver": found[1] if found else UNKNOWN}
    return {"card": name, "driver": version, "compute capability": capability, "memory": memory}


def _library_facts() -> dict[str, str]:
    """Return the CUDA that ONNX Runtime is built for, and the cuDNN that it loads."""
    facts = {}
    ort: Any = import_module("onnxruntime")
    load_gpu_libraries(ort)
    if version := getattr(ort, "cuda_version", ""):
        facts["CUDA of ONNX Runtime"] = str(version)
    if version := cudnn_version():
        facts["cuDNN"] = version
    return facts


def cudnn_version(open_library: Callable[[str], Any] = ctypes.CDLL) -> str:
    """Return the version of cuDNN as "9.10.2"; empty where the linker finds none."""
    for name in _CUDNN:
        try:
            ask = open_library(name).cudnnGetVersion
        except (OSError, AttributeError):
            continue
        ask.restype = ctypes.c_size_t
        number = int(ask())
        # 8907 is 8.9.7, and since 9 it is 91002 for 9.10.2 (cudnn_version.h).
        scale = 10000 if number >= 90000 else 1000
        return f"{number // scale}.{number % scale // 100}.{number % 100}"
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
